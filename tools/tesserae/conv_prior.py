"""The prior of large grids: a small convolutional U-Net that sees, at every place, the sum of the codes known there and
how many levels that is, and predicts the next level's code.

A state is (p, k): p [B,D,h,w], the sum of the code vectors of the known levels; k int64 [B,h,w] in 0..L, how many
are known.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .model import Res

DEFAULTS = {"type": "conv", "width": 64, "mid": 128, "full": [1, 2], "half": [1, 1], "quarter": 3, "levels": 6}


def complete(given):
    """"prior" of a config with its defaults; raises ValueError on an unknown key or another type."""
    unknown = set(given) - set(DEFAULTS)
    c = dict(DEFAULTS, **given)
    if unknown or c["type"] != "conv":
        raise ValueError("Config: prior.%s is not known" % (sorted(unknown)[0] if unknown else "type " + c["type"]))
    return c


def blocks(count, channels):
    return nn.Sequential(*(Res(channels, channels, [3, 3], "silu") for _ in range(count)))


class ConvPrior(nn.Module):
    """config: "prior" of a model's config, completed; quantizer: its completed "quantizer". The attribute names are the
    tensor names in a file after "prior."; `scale` [D] is the deviation of latents over the training data."""

    def __init__(self, config, quantizer):
        super().__init__()
        self.config, self.levels = config, quantizer["levels"]
        width, mid, (before, after), (down, up) = config["width"], config["mid"], config["full"], config["half"]
        self.register_buffer("scale", torch.ones(quantizer["dim"]))
        self.stem = nn.Conv2d(quantizer["dim"] + self.levels + 1, width, 3, padding=1)
        self.full1, self.down1 = blocks(before, width), nn.Conv2d(4 * width, mid, 1)
        self.half1, self.down2 = blocks(down, mid), nn.Conv2d(4 * mid, mid, 1)
        self.quarter, self.up2 = blocks(config["quarter"], mid), nn.Conv2d(mid, 4 * mid, 1)
        self.half2, self.up1 = blocks(up, mid), nn.Conv2d(mid, 4 * width, 1)
        self.full2 = blocks(after, width)
        self.head = nn.ModuleList(nn.Linear(width, quantizer["size"]) for _ in range(config["levels"]))

    def input(self, p, k):
        """[B,D + L + 1,h,w]: p over the scale, then one-hot of k."""
        known = F.one_hot(k, self.levels + 1).permute(0, 3, 1, 2).to(p)
        return torch.cat([p / self.scale[:, None, None], known], 1)

    def forward(self, p, k):
        """-> features [B,h,w,width] that the heads read. The input is padded with zeros at the bottom and right, its
        one-hot too ("outside"), to sides that are multiples of 4."""
        h, w = k.shape[1:]
        x = F.pad(self.input(p, k), (0, -w % 4, 0, -h % 4))
        a = self.full1(self.stem(x))
        b = self.half1(self.down1(F.pixel_unshuffle(a, 2)))
        c = self.quarter(self.down2(F.pixel_unshuffle(b, 2)))
        b = self.half2(b + F.pixel_shuffle(self.up2(F.silu(c)), 2))
        a = self.full2(a + F.pixel_shuffle(self.up1(F.silu(b)), 2))
        return F.silu(a).permute(0, 2, 3, 1)[:, :h, :w]


def state(tokens, known, codebook):
    """tokens int64 [L,B,h,w], known int64 [B,h,w] -> the state (p, known): levels from `known` on do not count."""
    p = sum(F.embedding(t, e) * (known > l).unsqueeze(-1) for l, (t, e) in enumerate(zip(tokens, codebook)))
    return p.permute(0, 3, 1, 2), known
