"""Which places of a grid are hidden while a convolutional prior learns: scattered ones, or shapes as drawn."""
import math

import torch
import torch.nn.functional as F


def scattered(n, h, w, generator=None):
    """max(1, ceil(cos(pi/2 u) h w)) places of each of n grids, u uniform -> bool [n,h,w]."""
    draw = lambda *shape: torch.rand(*shape, generator=generator)
    count = (torch.cos(math.pi / 2 * draw(n, 1)) * h * w).ceil().clamp(min=1)
    return (draw(n, h * w).argsort(1).argsort(1) < count).reshape(n, h, w)


def number(low, high, generator):
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def shape(h, w, least, most, generator=None):
    """One shape that covers `least` to `most` of the grid -> bool [h,w]: blobs (where smooth noise is high), strokes
    (where it is near its median), or one to three rectangles."""
    area = least + (most - least) * float(torch.rand(1, generator=generator))
    kind = number(0, 2, generator)
    if kind == 2:
        out, count = torch.zeros(h, w, dtype=torch.bool), number(1, 3, generator)
        for _ in range(count):
            stretch = 2 ** float(torch.rand(1, generator=generator) * 2 - 1)
            tall = min(h, max(1, round(h * math.sqrt(area / count) * stretch)))
            wide = min(w, max(1, round(area / count * h * w / tall)))
            y, x = number(0, h - tall, generator), number(0, w - wide, generator)
            out[y:y + tall, x:x + wide] = True
        return out
    cells = number(3, 7, generator)
    noise = F.interpolate(torch.randn(1, 1, cells, cells, generator=generator), (h, w), mode="bicubic")[0, 0]
    noise = -noise if kind == 0 else (noise - noise.median()).abs()
    return noise <= noise.flatten().sort()[0][max(0, round(area * h * w) - 1)]


def shapes(n, h, w, least=0.05, most=0.6, generator=None):
    return torch.stack([shape(h, w, least, most, generator) for _ in range(n)])
