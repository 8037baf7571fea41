"""Layers and the autoencoder: nn.Sequential over a config's layer list, which gives ARCHITECTURE.md's tensor names."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import config as configs
from . import quantizers
from .norm import Norm

ACTS = {"silu": nn.SiLU, "relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh,
        "gelu": lambda: nn.GELU(approximate="tanh")}


class Res(nn.Module):
    """x + conv2(act(conv1(act(x)))); conv2 starts at zero, so the block starts as the identity."""

    def __init__(self, channels, hidden, kernels, act):
        super().__init__()
        self.act = ACTS[act]()
        self.conv1 = nn.Conv2d(channels, hidden, kernels[0], padding=kernels[0] // 2)
        self.conv2 = nn.Conv2d(hidden, channels, kernels[1], padding=kernels[1] // 2)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(self.act(self.conv1(self.act(x))))


class Resnet(nn.Module):
    """shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))): the block of VQGAN, LDM and diffusers."""

    def __init__(self, channels, out, groups, eps):
        super().__init__()
        self.norm1 = Norm(groups, channels, eps=eps)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.norm2 = Norm(groups, out, eps=eps)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """x + proj(attention over all places of norm(x)): one head, logits times channels^-1/2."""

    def __init__(self, channels, groups, eps):
        super().__init__()
        self.norm = Norm(groups, channels, eps=eps)
        self.q, self.k, self.v, self.proj = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x):
        n = self.norm(x)
        q, k, v = (part(n).flatten(2) for part in (self.q, self.k, self.v))  # [B,C,places]
        weights = torch.softmax(q.transpose(1, 2) @ k * x.shape[1] ** -0.5, dim=-1)
        return x + self.proj((v @ weights.transpose(1, 2)).reshape(x.shape))


class Tiny(nn.Module):
    """relu(conv3(relu(conv2(relu(conv1(u))))) + skip(u)), the block of TAESD; with `pool` groups u = x + pool2(relu(
    norm(pool1(x)))), else u = x."""

    def __init__(self, channels, out, pool):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv3 = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(channels, out, 1, bias=False) if channels != out else nn.Identity()
        self.pool = pool
        if pool:
            self.pool1 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
            self.pool_norm = Norm(pool, 4 * channels, eps=1e-5)
            self.pool2 = nn.Conv2d(4 * channels, channels, 1, bias=False)

    def forward(self, x):
        if self.pool:
            x = x + self.pool2(F.relu(self.pool_norm(self.pool1(x))))
        h = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(h + self.skip(x))


class Unit(nn.Module):
    """Latents of length one: the encoder's last step where the quantizer normalizes."""

    def forward(self, x):
        return F.normalize(x, dim=1)


class SoftClamp(nn.Module):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        return torch.tanh(x / self.limit) * self.limit


def conv(spec, channels):
    """A conv layer; "pad" is a number or [top, left, bottom, right]."""
    k = spec["kernel"]
    pad, out, bias = spec.get("pad", (k - 1) // 2), spec["out"], spec.get("bias", True)
    if not isinstance(pad, list):
        return nn.Conv2d(channels, out, k, spec.get("stride", 1), pad, bias=bias)
    top, left, bottom, right = pad
    return PaddedConv(channels, out, k, spec.get("stride", 1), (left, right, top, bottom), bias)


class PaddedConv(nn.Conv2d):
    """A convolution whose zeros differ from side to side. edges: left, right, top, bottom."""

    def __init__(self, channels, out, kernel, stride, edges, bias):
        super().__init__(channels, out, kernel, stride, bias=bias)
        self.edges = edges

    def forward(self, x):
        return super().forward(F.pad(x, self.edges))


def layer(spec, channels):
    """One layer of the list -> (module, output channels)."""
    op, out, groups, eps = spec["op"], spec.get("out"), spec.get("groups", 32), spec.get("eps", 1e-6)
    if op == "conv":
        return conv(spec, channels), out
    if op == "tconv":
        k, stride = spec["kernel"], spec["stride"]
        pad = spec.get("pad", max(0, k - stride) // 2)
        return nn.ConvTranspose2d(channels, out, k, stride, pad, bias=spec.get("bias", True)), out
    if op == "resnet":
        return Resnet(channels, out or channels, groups, eps), out or channels
    if op == "attention":
        return Attention(channels, groups, eps), channels
    if op == "tiny":
        return Tiny(channels, out or channels, spec.get("pool", 0)), out or channels
    if op == "soft_clamp":
        return SoftClamp(spec.get("limit", 3)), channels
    if op == "res":
        hidden, kernels = spec.get("hidden", channels), spec.get("kernels", [3, 3])
        return Res(channels, hidden, kernels, spec.get("act", "silu")), channels
    if op in ACTS:
        return ACTS[op](), channels
    if op == "norm":
        return Norm(spec["groups"], channels, eps=eps), channels
    if op == "up":
        return nn.Upsample(scale_factor=spec.get("factor", 2), mode="nearest"), channels
    f = spec.get("factor")
    if op == "shuffle":
        return nn.PixelShuffle(f), channels // (f * f)
    if op == "unshuffle":
        return nn.PixelUnshuffle(f), channels * f * f
    raise ValueError("unknown layer op %r" % op)


def net(layers, channels):
    """A layer list -> (nn.Sequential, output channels)."""
    modules = []
    for spec in layers:
        m, channels = layer(spec, channels)
        modules.append(m)
    return nn.Sequential(*modules), channels


class Autoencoder(nn.Module):
    """encoder, quantizer, decoder of a completed config. Images: [B,3,H,W] in [-1,1], H and W multiples of `factor`."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.factor = configs.geometry(config["encoder"])
        dim = configs.latent_dim(config)
        self.encoder, c = net(config["encoder"], 3)
        self.decoder, o = net(config["decoder"], dim)
        if c != dim or o != 3:
            raise ValueError("encoder gives %d channels, not %d; or decoder gives %d, not 3" % (c, dim, o))
        self.quantizer = quantizers.make(config["quantizer"], config["train"]["loss"])
        if config["quantizer"].get("normalize"):
            self.encoder.add_module(str(len(self.encoder)), Unit())

    def weights(self):
        """The parameters that AdamW moves, in file order: name -> tensor."""
        return dict(self.named_parameters())

    def forward(self, x, levels=None, lam=0.0):
        """-> (reconstruction [B,3,H,W], quantizer result: see quantizers.Result)."""
        q = self.quantizer(self.encoder(x), levels, lam)
        return self.decoder(q.z), q

    @torch.no_grad()
    def tokens(self, x, levels=None, lam=0.0):
        return self.quantizer(self.encoder(x), levels, lam).tokens

    @torch.no_grad()
    def decode(self, tokens):
        """Tokens [levels,B,h,w] -> images [B,3,H,W]."""
        return self.decoder(self.quantizer.lookup(tokens))


@torch.no_grad()
def cost(layers, channels, size=64):
    """(multiply-adds per image pixel, parameters) of an encoder's (channels 3) or a decoder's layer list; attention's
    products of all places with all are left out."""
    m, _ = net(layers, channels)
    total = []

    def count(c, x, y):
        total.append(c.weight.numel() * (x[0] if isinstance(c, nn.ConvTranspose2d) else y)[0, 0].numel())
    for c in m.modules():
        if isinstance(c, (nn.Conv2d, nn.ConvTranspose2d)):
            c.register_forward_hook(count)
    y = m(torch.zeros(1, channels, size, size))
    pixels = size * size if channels == 3 else y[0, 0].numel()
    return sum(total) / pixels, sum(p.numel() for p in m.parameters())
