"""The upscaler: from a small picture a smooth answer (least error) and latents of the large one (the sharp answer).

All of it works on the grid of HR/4, a place for 4x4 px of the large picture: `stem`, `body` and `join` make features a;
`smooth` adds to the bicubic enlargement what that lacks; `in`, `tail` and `out` make latents z on the grid of HR/8,
which the frozen model's quantizer and decoder turn into a picture, whose reduction is then made equal to the input.
"""
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import config as configs, file
from .model import Res

DEFAULTS = {"width": 64, "blocks": 6, "tail": [128, 3]}


def complete(given):
    """"upscaler.2" or "upscaler.4" with its defaults; raises ValueError on an unknown key."""
    return configs.section(given, DEFAULTS, "upscaler")


@functools.lru_cache(None)
def weights(n, m):
    """[m,n] float64: bicubic resampling of n samples to m as PIL does it (Keys' cubic, a = -1/2, stretched by n/m where
    it reduces; taps outside the picture are left out and the rest rescaled to sum 1)."""
    scale = n / m
    stretch = max(scale, 1.0)
    out = torch.zeros(m, n, dtype=torch.float64)
    for i in range(m):
        centre = (i + 0.5) * scale
        low, high = max(0, int(centre - 2 * stretch + 0.5)), min(n, int(centre + 2 * stretch + 0.5))
        x = ((torch.arange(low, high, dtype=torch.float64) + 0.5 - centre) / stretch).abs()
        near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        w = torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
        out[i, low:high] = w / w.sum()
    return out


def resample(x, height, width):
    """Bicubic resampling of [B,C,h,w] to [B,C,height,width], not clamped."""
    rows, columns = weights(x.shape[2], height).to(x), weights(x.shape[3], width).to(x)
    return rows @ (x @ columns.t())


def enlarge(x, f):
    return resample(x, x.shape[2] * f, x.shape[3] * f)


def reduce(y, f):
    """Sides of y are multiples of f."""
    return resample(y, y.shape[2] // f, y.shape[3] // f)


def padded(x, f):
    """x, its last column and row repeated until its sides are multiples of 8 / f. Answers are made of that and cut."""
    unit = 8 // f
    return F.pad(x, (0, -x.shape[3] % unit, 0, -x.shape[2] % unit), mode="replicate")


class Upscaler(nn.Module):
    """factor 2 or 4; c: completed config of that factor; dim: channels of the model's latent. Pictures: [B,3,h,w] in
    [-1,1], sides multiples of 8 / factor."""

    def __init__(self, factor, c, dim):
        super().__init__()
        width, (mid, tail) = c["width"], c["tail"]
        self.factor, self.config = factor, c
        self.fold = 4 // factor  # input pixels a side of one place of the grid
        self.stem = nn.Conv2d(3 * self.fold ** 2, width, 3, padding=1)
        self.body = nn.Sequential(*(Res(width, width, [3, 3], "silu") for _ in range(c["blocks"])))
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.smooth = nn.Conv2d(width, 48, 3, padding=1)
        self.add_module("in", nn.Conv2d(4 * width, mid, 1))
        self.tail = nn.Sequential(*(Res(mid, mid, [3, 3], "silu") for _ in range(tail)))
        self.out = nn.Conv2d(mid, dim, 1)
        nn.init.zeros_(self.smooth.weight)
        nn.init.zeros_(self.smooth.bias)

    def features(self, x):
        a = self.stem(F.pixel_unshuffle(x, self.fold) if self.fold > 1 else x)
        return a + self.join(self.body(a))

    def lacks(self, a):
        """What the bicubic enlargement lacks for the smooth answer: [B,3,h factor,w factor]."""
        return F.pixel_shuffle(self.smooth(F.silu(a)), 4)

    def latents(self, a):
        """z [B,dim,h factor / 8,w factor / 8]."""
        return self.out(F.silu(self.tail(getattr(self, "in")(F.pixel_unshuffle(a, 2)))))

    @torch.no_grad()
    def follow(self, encoder):
        """Take `in`, `tail` and `out` from the end of the model's encoder (a conv, blocks, a conv), if shapes agree."""
        theirs = [m for m in encoder if any(True for _ in m.parameters())]
        first = len(theirs) - 2
        while first > 0 and isinstance(theirs[first], Res):
            first -= 1
        own = [getattr(self, "in"), *self.tail, self.out]
        theirs = theirs[first:first + len(own) - 1] + theirs[-1:]
        shapes = lambda ms: [p.shape for m in ms for p in m.parameters()]
        if shapes(own) == shapes(theirs):
            for mine, other in zip(own, theirs):
                mine.load_state_dict(other.state_dict())

    @torch.no_grad()
    def begin(self, t):
        """Take from a checkpoint's moving average every tensor that has the shape of this net's. Of another factor: its
        stem reads the mean of the pixels of a place, and what the bicubic enlargement lacks is learned from nothing."""
        other = t["ema.stem.weight"].shape != self.stem.weight.shape
        for k, p in self.named_parameters():
            v = t.get("ema." + k)
            if k == "stem.weight" and other:
                v = v.unflatten(1, (3, -1)).mean(2).repeat_interleave(self.fold ** 2, 1) / self.fold ** 2
            if v is not None and v.shape == p.shape and not (other and k.startswith("smooth.")):
                p.copy_(v)


def consistent(y, x, f):
    """y with its reduction made (nearly) x: what the input says stays as it was."""
    return y + enlarge(x - reduce(y, f), f)


def answers(net, model, x):
    """-> (smooth, sharp, latents, tokens) of the small pictures x; not clamped."""
    a = net.features(x)
    z = net.latents(a)
    q = model.quantizer(z)
    return enlarge(x, net.factor) + net.lacks(a), consistent(model.decoder(q.z), x, net.factor), z, q.tokens


# ---- files -----------------------------------------------------------------------------------------------------------

def part_tensors(factor, checkpoint):
    """Tensors of a part of a model's file from those of a checkpoint: its moving average, filters as float16."""
    names = [k[4:] for k in checkpoint if k.startswith("ema.")]
    return {"upscaler.%d.%s" % (factor, k): t.half() if t.dim() > 1 else t.float()
            for k in names for t in [checkpoint["ema." + k]]}


@torch.no_grad()
def load(path):
    """A part, or a model file that holds upscalers -> factor -> Upscaler in evaluation mode."""
    tensors, meta = file.read(path)
    nets = {}
    for name, given in file.config_of(meta)["upscaler"].items():
        prefix = "upscaler.%s." % name
        net = Upscaler(int(name), complete(given), tensors[prefix + "out.weight"].shape[0])
        for k, p in net.named_parameters():
            p.copy_(tensors[prefix + k])
        nets[int(name)] = net.eval()
    return nets
