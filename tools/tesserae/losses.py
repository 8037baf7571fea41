"""Image losses on [-1,1] batches [B,3,H,W]: MS-SSIM and LPIPS (SqueezeNet 1.1)."""
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import file

MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@functools.lru_cache(None)
def _band(n, like):
    """[n, n-10] matrix: right-multiplied, an 11-tap Gaussian (sigma 1.5) over 'valid' windows."""
    g = torch.exp(-(torch.arange(11, dtype=torch.float64) - 5) ** 2 / 4.5)
    g = g / g.sum()
    m = torch.zeros(n, n - 10, dtype=torch.float64)
    for i in range(n - 10):
        m[i:i + 11, i] = g
    return m.to(like[0], like[1])


def _blur(x):
    like = (x.device, x.dtype)
    return _band(x.shape[2], like).t() @ (x @ _band(x.shape[3], like))


def _half(x):
    """2x2 means; an odd last row or column counts twice."""
    return F.avg_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), mode="replicate"), 2)


def _ssim_cs(x, y):
    """Mean SSIM and contrast-structure per image and channel [B,C]; x, y in [0,1]."""
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    mx, my, sq, xy = _blur(torch.cat([x, y, x * x + y * y, x * y])).split(x.shape[0])
    mm, mxy = mx * mx + my * my, mx * my
    cs = (2 * (xy - mxy) + c2) / (sq - mm + c2)
    lum = (2 * mxy + c1) / (mm + c1)
    return (lum * cs).mean((2, 3)), cs.mean((2, 3))


def ms_ssim(x, y):
    """Wang et al. 2003 on values mapped to [0,1]: 11x11 Gaussian, 'valid' windows, up to five scales (as many as hold a
    window: all from 161 px on), weights rescaled to sum 1, 2x2 means between scales, per channel product of terms
    clamped to >= 1e-6, mean over images and channels. x, y: [B,C,H,W] in [-1,1], sides of 11 px at least. 1 = equal."""
    x, y = (x + 1) / 2, (y + 1) / 2
    side, n = min(x.shape[2:]), 1
    while n < 5 and (side + 1) // 2 >= 11:
        side, n = (side + 1) // 2, n + 1
    total, prod = sum(MS_WEIGHTS[:n]), 1.0
    for i in range(n):
        ssim, cs = _ssim_cs(x, y)
        prod = prod * (ssim if i == n - 1 else cs).clamp(min=1e-6) ** (MS_WEIGHTS[i] / total)
        if i < n - 1:
            x, y = _half(x), _half(y)
    return prod.mean()


class _Head(torch.autograd.Function):
    """mean over positions of sum_c w_c (x_c/|x| - y_c/|y|)^2; feature rows x, y [n,C], weights w [C]; gradient to y.
    |x| is sqrt(sum x^2 + 1e-10), as in the C core: no gradient without bound where a feature vector vanishes.
    Expanded into sums over channels, which takes a third of the memory passes of the plain form."""

    @staticmethod
    def forward(ctx, x, y, w):
        one_w = torch.stack([torch.ones_like(w), w], 1)
        px, qx = ((x * x) @ one_w).unbind(1)
        py, qy = ((y * y) @ one_w).unbind(1)
        px, py = px + 1e-10, py + 1e-10
        t = (x * y) @ w / (px * py).sqrt()
        ctx.save_for_backward(x, y, w, px, py, qy, t)
        return (qx / px - 2 * t + qy / py).mean()

    @staticmethod
    def backward(ctx, g):
        x, y, w, px, py, qy, t = ctx.saved_tensors
        s = 2 * g / len(y)
        by_y = torch.outer(s / py, w).add_((s * (t - qy / py) / py)[:, None])
        return None, by_y.mul_(y).addcmul_(torch.outer(-s / (px * py).sqrt(), w), x), None


class Lpips(nn.Module):
    """LPIPS v0.1, SqueezeNet 1.1 trunk (torchvision tensor names) and the seven linear heads; lower is nearer."""
    TAPS = (0, 4, 7, 9, 10, 11, 12)

    def __init__(self, trunk, heads):
        """trunk, heads: dicts of float tensors (file.read); heads hold keys that contain lin0 .. lin6."""
        super().__init__()
        self.net = {k: v.float() for k, v in trunk.items() if k.startswith("features.")}
        self.lin = [next(v for k, v in heads.items() if "lin%d" % i in k).float().reshape(-1) for i in range(7)]
        self.shift = torch.tensor([-.030, -.088, -.188]).reshape(1, 3, 1, 1)
        self.scale = torch.tensor([.458, .448, .450]).reshape(1, 3, 1, 1)

    @classmethod
    def load(cls, trunk, heads):
        return cls(file.read(trunk)[0], file.read(heads)[0])

    def to(self, like):
        """Move to a device or a dtype."""
        self.net = {k: v.to(like) for k, v in self.net.items()}
        self.lin = [v.to(like) for v in self.lin]
        self.shift, self.scale = self.shift.to(like), self.scale.to(like)
        return self

    def _conv(self, x, name, **kw):
        return F.relu(F.conv2d(x, self.net[name + ".weight"], self.net[name + ".bias"], **kw))

    def features(self, x):
        """The seven tapped feature maps."""
        x = self._conv((x - self.shift) / self.scale, "features.0", stride=2)
        taps = [x]
        for i in range(3, 13):
            if i in (5, 8):
                continue
            if i in (3, 6, 9):
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            p = "features.%d." % i
            s = self._conv(x, p + "squeeze")
            x = torch.cat([self._conv(s, p + "expand1x1"), self._conv(s, p + "expand3x3", padding=1)], 1)
            if i in self.TAPS:
                taps.append(x)
        return taps

    def forward(self, x, y):
        """Mean distance over the batch; x is the reference (no gradient flows into it)."""
        with torch.no_grad():
            fx = self.features(x)
        total = 0.0
        for a, b, w in zip(fx, self.features(y), self.lin):
            rows = [f.to(w).permute(0, 2, 3, 1).reshape(-1, f.shape[1]) for f in (a, b)]
            total = total + _Head.apply(*rows, w)
        return total
