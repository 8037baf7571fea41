"""Autoencoders of the field as PyTorch modules with the tensor names of their own code, and weights that need no file.

taming: CompVis taming-transformers and latent-diffusion; llamagen: LlamaGen's tokenizers; diffusers: a renaming of taming;
tiny: TAESD (madebyollin/taesd). `values` gives weights that any program can make again from names and shapes alone
(tests/engine/field.c does), so that a fixture needs inputs and outputs only.
"""
import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

MASK = (1 << 64) - 1


# ---- weights from names ------------------------------------------------------------------------------------------------

def fnv1a(text):
    h = 0xcbf29ce484222325
    for b in text.encode():
        h = (h ^ b) * 0x100000001b3 & MASK
    return h


def noise(name, count):
    """`count` float32 in [-1, 1): splitmix64 of the name's FNV-1a hash and the index, 24 bits each."""
    with np.errstate(over="ignore"):
        x = np.uint64(fnv1a(name)) + (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15))
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        x = x ^ (x >> np.uint64(31))
    return ((x >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float32) * np.float32(2.0**-23)


def values(name, shape):
    """float32 array: weights uniform with variance 1 / fan_in; vectors around 1 (norms' weights) or 0; tables of codes
    uniform in [-1, 1)."""
    u = noise(name, int(np.prod(shape, dtype=np.int64))).reshape(shape)
    if len(shape) == 1:
        u = u * np.float32(0.125)
        return u + np.float32(1) if name.endswith("weight") else u
    if "embedding" in name:
        return u
    fan_in = int(np.prod(shape[1:], dtype=np.int64))
    return u * np.float32(np.sqrt(3.0 / fan_in))


# ---- VQGAN (Esser et al. 2020) -----------------------------------------------------------------------------------------

def norm(c):
    return nn.GroupNorm(32, c, eps=1e-6)


def conv3(a, b, **more):
    return nn.Conv2d(a, b, 3, **{"padding": 1, **more})


class Block(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.norm1, self.conv1 = norm(a), conv3(a, b)
        self.norm2, self.conv2 = norm(b), conv3(b, b)
        if a != b:
            self.nin_shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = norm(c)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (f(h).flatten(2) for f in (self.q, self.k, self.v))  # [B,C,N]
        w = torch.softmax(torch.einsum("bci,bcj->bij", q, k) * x.shape[1]**-0.5, dim=2)
        return x + self.proj_out(torch.einsum("bij,bcj->bci", w, v).reshape(x.shape))


class Down(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = conv3(c, c, stride=2, padding=0)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = conv3(c, c)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Blocks with attention behind each (or none), then a change of size (or none)."""

    def __init__(self, names, widths, attention, sample):
        super().__init__()
        self.names = names
        setattr(self, names[0], nn.ModuleList(Block(a, b) for a, b in zip(widths, widths[1:])))
        setattr(self, names[1], nn.ModuleList(Attention(b) for b in widths[1:] if attention))
        if sample:
            setattr(self, sample, (Down if sample == "downsample" else Up)(widths[-1]))
        self.sample = sample

    def forward(self, x):
        blocks, attention = (getattr(self, n) for n in self.names)
        for i, block in enumerate(blocks):
            x = block(x)
            if len(attention):
                x = attention[i](x)
        return getattr(self, self.sample)(x) if self.sample else x


class Middle(nn.Module):
    def __init__(self, c, attention):
        super().__init__()
        self.block_1 = Block(c, c)
        if attention:
            self.attn_1 = Attention(c)
        self.block_2 = Block(c, c)

    def forward(self, x):
        x = self.block_1(x)
        return self.block_2(self.attn_1(x) if hasattr(self, "attn_1") else x)


class Encoder(nn.Module):
    def __init__(self, kind, ch, mult, blocks, attention, z, middle):
        super().__init__()
        widths = [ch * m for m in mult]
        self.conv_in = conv3(3, ch)
        names = ("res", "attn") if kind == "llamagen" else ("block", "attn")
        levels = nn.ModuleList(
            Level(names, [widths[max(i - 1, 0)] if i else ch] + [w] * blocks, i in attention,
                  "downsample" if i + 1 < len(mult) else None) for i, w in enumerate(widths))
        self.levels = "conv_blocks" if kind == "llamagen" else "down"
        setattr(self, self.levels, levels)
        c = widths[-1]
        self.mid = nn.ModuleList([Block(c, c), Attention(c), Block(c, c)]) if kind == "llamagen" else Middle(c, middle)
        self.norm_out, self.conv_out = norm(c), conv3(c, z)

    def forward(self, x):
        x = self.conv_in(x)
        for level in getattr(self, self.levels):
            x = level(x)
        for m in self.mid if isinstance(self.mid, nn.ModuleList) else [self.mid]:
            x = m(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    def __init__(self, kind, ch, mult, blocks, attention, z, middle):
        super().__init__()
        widths = [ch * m for m in mult]
        c = widths[-1]
        self.conv_in = conv3(z, c)
        self.mid = nn.ModuleList([Block(c, c), Attention(c), Block(c, c)]) if kind == "llamagen" else Middle(c, middle)
        names = ("res", "attn") if kind == "llamagen" else ("block", "attn")
        order = []  # as run: the lowest resolution first
        for i in reversed(range(len(mult))):
            order.append(Level(names, [c] + [widths[i]] * (blocks + 1), i in attention, "upsample" if i else None))
            c = widths[i]
        if kind == "llamagen":
            self.conv_blocks = nn.ModuleList(order)
        else:
            self.up = nn.ModuleList(order[::-1])  # taming counts from the highest
        self.norm_out, self.conv_out = norm(c), conv3(c, 3)

    def forward(self, z):
        z = self.conv_in(z)
        for m in self.mid if isinstance(self.mid, nn.ModuleList) else [self.mid]:
            z = m(z)
        for level in self.conv_blocks if hasattr(self, "conv_blocks") else reversed(self.up):
            z = level(z)
        return self.conv_out(F.silu(self.norm_out(z)))


class Table(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.embedding = nn.Embedding(size, dim)


class VQGAN(nn.Module):
    """kind "taming" or "llamagen" (codes and latents of length 1). Levels in `attention` have it behind every block."""

    def __init__(self, kind="taming", ch=128, mult=(1, 1, 2, 2, 4), blocks=2, attention=(4,), z=256, size=1024, dim=256,
                 middle=True):
        super().__init__()
        self.kind = kind
        self.encoder = Encoder(kind, ch, mult, blocks, attention, z, middle)
        self.decoder = Decoder(kind, ch, mult, blocks, attention, z, middle)
        self.quantize = Table(size, dim)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(z, dim, 1), nn.Conv2d(dim, z, 1)

    def codes(self):
        codes = self.quantize.embedding.weight
        return F.normalize(codes, dim=-1) if self.kind == "llamagen" else codes

    def latents(self, x):
        """[B,3,H,W] in [-1,1] -> [B,h,w,dim] before quantization."""
        z = self.quant_conv(self.encoder(x)).permute(0, 2, 3, 1)
        return F.normalize(z, dim=-1) if self.kind == "llamagen" else z

    def distances(self, z):
        return ((z[..., None, :] - self.codes())**2).sum(-1)

    def decode(self, tokens):
        """[B,h,w] -> [B,3,H,W], not clamped."""
        return self.decoder(self.post_quant_conv(self.codes()[tokens].permute(0, 3, 1, 2)))


def diffusers_name(name, levels, older=False):
    """taming's tensor name in diffusers' VQModel of that many levels; `older`: before 0.15."""
    parts = ("query", "key", "value", "proj_attn") if older else ("to_q", "to_k", "to_v", "to_out.0")
    name = name.replace("mid.block_1", "mid_block.resnets.0").replace("mid.block_2", "mid_block.resnets.1")
    name = name.replace("mid.attn_1", "mid_block.attentions.0").replace("norm_out", "conv_norm_out")
    name = re.sub(r"\.down\.(\d+)\.", r".down_blocks.\1.", name)
    name = re.sub(r"\.up\.(\d+)\.", lambda m: ".up_blocks.%d." % (levels - 1 - int(m[1])), name)
    name = re.sub(r"blocks\.(\d+)\.block\.", r"blocks.\1.resnets.", name)
    name = re.sub(r"blocks\.(\d+)\.attn\.", r"blocks.\1.attentions.", name)
    name = name.replace("downsample.conv", "downsamplers.0.conv").replace("upsample.conv", "upsamplers.0.conv")
    name = name.replace("nin_shortcut", "conv_shortcut")
    if "attentions" in name:
        name = name.replace(".norm.", ".group_norm.")
        for a, b in zip(("q", "k", "v", "proj_out"), parts):
            name = name.replace(".%s." % a, ".%s." % b)
    return name


def diffusers_shape(name, shape):
    """Attention weights are those of linear layers."""
    return shape[:2] if "attentions" in name and len(shape) == 4 else shape


# ---- TAESD -------------------------------------------------------------------------------------------------------------

class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


class TinyBlock(nn.Module):
    def __init__(self, a, b, pool=False):
        super().__init__()
        self.conv = nn.Sequential(conv3(a, b), nn.ReLU(), conv3(b, b), nn.ReLU(), conv3(b, b))
        self.skip = nn.Conv2d(a, b, 1, bias=False) if a != b else nn.Identity()
        if pool:
            self.pool = nn.Sequential(nn.Conv2d(a, 4 * a, 1, bias=False), nn.GroupNorm(4, 4 * a), nn.ReLU(),
                                      nn.Conv2d(4 * a, a, 1, bias=False))

    def forward(self, x):
        if hasattr(self, "pool"):
            x = x + self.pool(x)
        return F.relu(self.conv(x) + self.skip(x))


class Tiny(nn.Module):
    """`encoder` and `decoder` are taesd.py's two modules; pictures are in [0,1]."""

    def __init__(self, latent=4, c=64, pool=False):
        super().__init__()
        down = lambda: conv3(c, c, stride=2, bias=False)
        up = lambda: (nn.Upsample(scale_factor=2), conv3(c, c, bias=False))
        three = lambda pool=False: (TinyBlock(c, c, pool) for _ in range(3))
        self.encoder = nn.Sequential(conv3(3, c), TinyBlock(c, c), down(), *three(), down(), *three(), down(),
                                     *three(pool), conv3(c, latent))
        self.decoder = nn.Sequential(Clamp(), conv3(latent, c), nn.ReLU(), *three(pool), *up(), *three(), *up(), *three(),
                                     *up(), TinyBlock(c, c), conv3(c, 3))


def tiny_diffusers_name(name):
    """The name in diffusers' AutoencoderTiny, whose decoder does not count the clamp."""
    half, index, rest = name.split(".", 2)
    return "%s.layers.%d.%s" % (half, int(index) - (half == "decoder"), rest)
