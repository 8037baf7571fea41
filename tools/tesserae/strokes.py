"""Irregular masks as a hand paints them: free-form brush strokes (Yu et al. 2019, "Free-Form Image Inpainting with
Gated Convolution", algorithm 1), from a seed. Integers only, so that any program can make the same.

A stroke starts anywhere, has 4 to 12 segments and turns by about 2 pi / 5, to the left and to the right by turns;
segments are diagonal / 8 long on average; the brush is round. It is reflected where it would leave the picture. As
there, widths are 12 to 40 pixels for a side of 256.
"""
import numpy as np

MASK = (1 << 64) - 1
DIRECTIONS = ((64, 0), (59, 24), (45, 45), (24, 59), (0, 64), (-24, 59), (-45, 45), (-59, 24),
              (-64, 0), (-59, -24), (-45, -45), (-24, -59), (0, -64), (24, -59), (45, -45), (59, -24))  # 64 long


class Draws:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def below(self, n):
        """The next number, in 0..n-1."""
        self.state = (self.state + 0x9e3779b97f4a7c15) & MASK
        x = self.state
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9 & MASK
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb & MASK
        return (x ^ (x >> 31)) % n


def segment(out, a, b, width):
    """Sets the pixels of bool [h,w] whose distance to the segment from a to b (x, y) is width / 2 at most."""
    h, w = out.shape
    x0, x1 = max(0, min(a[0], b[0]) - width), min(w, max(a[0], b[0]) + width + 1)
    y0, y1 = max(0, min(a[1], b[1]) - width), min(h, max(a[1], b[1]) + width + 1)
    if x0 >= x1 or y0 >= y1:
        return
    x, y = np.arange(x0, x1)[None].astype(np.int64), np.arange(y0, y1)[:, None].astype(np.int64)
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    along = (x - a[0]) * dx + (y - a[1]) * dy
    across = (x - a[0]) * dy - (y - a[1]) * dx
    near = lambda p: 4 * ((x - p[0]) ** 2 + (y - p[1]) ** 2) <= width * width
    inside = (along > 0) & (along < length) & (4 * across * across <= width * width * length)
    out[y0:y1, x0:x1] |= inside | near(a) | near(b)


def step(at, angle, length, sides):
    """`length` on from `at` in one of the sixteen directions -> (point, direction); edges reflect both."""
    to, turned = [], angle
    for axis, (p, d, side) in enumerate(zip(at, DIRECTIONS[angle], sides)):
        p += length * d // 64
        if not 0 <= p < side:
            p = max(0, min(side - 1, -p if p < 0 else 2 * side - 2 - p))
            turned = (-turned if axis else 8 - turned) % 16
        to.append(p)
    return tuple(to), turned


def stroke(out, draws, least, most):
    """Adds one stroke of a width in least..most to bool [h,w]."""
    h, w = out.shape
    at, angle = (draws.below(w), draws.below(h)), draws.below(16)
    width, mean = least + draws.below(most - least + 1), (h + w) * 45 // 512  # (h + w) / 2 * sqrt(2) / 8
    for i in range(4 + draws.below(9)):
        to, angle = step(at, angle, draws.below(mean + 1) + draws.below(mean + 1), (w, h))
        segment(out, at, to, width)
        turn = 2 + draws.below(3)
        at, angle = to, (angle + (turn if i % 2 else 16 - turn)) % 16


def mask(height, width, seed, percent, widths=None):
    """bool [height,width], True where to fill: strokes until `percent` of the area is reached; one that goes more than
    2 % of the area beyond is taken back."""
    draws, out = Draws(seed), np.zeros((height, width), bool)
    least, most = widths or ((height + width) * 12 // 512, (height + width) * 40 // 512)
    area = height * width
    while out.sum() * 100 < percent * area:
        more = out.copy()
        stroke(more, draws, least, most)
        if more.sum() * 100 <= (percent + 2) * area:
            out = more
    return out


def ten(height, width, widths=None):
    """The ten masks of the evaluation: 5 to 25 % of the area."""
    return [mask(height, width, 1 + i, 5 + 2 * i, widths) for i in range(10)]
