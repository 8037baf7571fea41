"""Filling by a picture's own tokens: a place of the hole takes all codes of the known place whose surroundings look
most like its own (Efros and Leung 1999, in a tokenizer's latents), from the border of the hole inwards.

Latents are [D,h,w], masks bool [h,w]. A guide (the latents of a smoothly filled picture) stands for what is not
known yet, with little weight: it keeps what is copied from drifting away from the hole's surroundings.
"""
import collections

import torch
import torch.nn.functional as F

# reach: windows have 2 reach + 1 places a side, weighted by a Gaussian of `deviation` places
# guide: weight of a place that is not known, one that is has 1
# front: what share of the largest coverage is settled in one go
# choices, noise: among how many best matches to draw, Gumbel noise on their relative distance (0: the best match)
Options = collections.namedtuple("Options", "reach deviation guide front choices noise")
DEFAULTS = Options(2, 1.5, 0.1, 0.8, 8, 0.0)


def windows(z, reach):
    """[D,h,w] -> [h*w, (2 reach + 1)^2, D], zeros outside."""
    d, h, w = z.shape
    side = 2 * reach + 1
    return F.unfold(F.pad(z[None], [reach] * 4), side).reshape(d, side * side, h * w).permute(2, 1, 0)


def bell(o):
    """Weights of a window's places, [(2 reach + 1)^2]."""
    at = torch.arange(-o.reach, o.reach + 1.0)
    return torch.exp(-(at[:, None] ** 2 + at ** 2) / (2 * o.deviation ** 2)).flatten()


class Candidates:
    """The places whose whole window is known and lies in the grid; z: latents of the known places."""

    def __init__(self, z, known, o):
        whole = windows(known[None].float(), o.reach)[:, :, 0].all(1)
        self.places = whole.nonzero()[:, 0]
        self.z = windows(z, o.reach)[self.places]
        self.squares = self.z.square().sum(2).t().contiguous()  # [window, candidates]
        self.flat = self.z.flatten(1).t().contiguous()          # [window * D, candidates]

    def distances(self, z, weight):
        """Weighted mean square distance of windows z [n,window,D], weight [n,window] -> [n,candidates]."""
        d = weight @ self.squares - 2 * (z * weight[:, :, None]).flatten(1) @ self.flat
        own = (z.square().sum(2) * weight).sum(1, keepdim=True)
        return (d + own).clamp(min=0) / weight.sum(1, keepdim=True)


def choose(distances, o, generator):
    """-> index of a candidate for each row."""
    if not o.noise:
        return distances.argmin(1)
    best, index = distances.topk(min(o.choices, distances.shape[1]), 1, largest=False)
    u = torch.rand(best.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    score = -best / (best[:, :1] + 1e-6) - o.noise * torch.log(-torch.log(u))
    return index.gather(1, score.argmax(1, keepdim=True))[:, 0]


@torch.no_grad()
def sources(z, unknown, guide, o=DEFAULTS, generator=None):
    """-> int64 [h*w]: the place whose tokens each place takes, its own where it is known; None without candidates."""
    d, h, w = z.shape
    inside = windows(torch.ones(1, h, w), o.reach)[:, :, 0]
    weights, source = bell(o), torch.arange(h * w)
    known = Candidates(z, ~unknown, o)
    if not len(known.places):
        return None
    centre, settled = len(weights) // 2, ~unknown
    now = torch.where(unknown, guide, z)
    while not settled.all():
        cover = (windows(settled[None].float(), o.reach)[:, :, 0] @ weights) / (inside @ weights)
        cover[settled.flatten()] = -1
        front = (cover >= o.front * cover.max()).nonzero()[:, 0]
        trust = torch.where(settled, 1.0, o.guide)[None]
        weight = windows(trust, o.reach)[front][:, :, 0] * weights
        weight[:, centre] = o.guide
        best = known.places[choose(known.distances(windows(now, o.reach)[front], weight), o, generator)]
        source[front] = best
        now.view(d, -1)[:, front] = z.view(d, -1)[:, best]
        settled.view(-1)[front] = True
    return source


def fill(tokens, z, unknown, guide, o=DEFAULTS, generator=None):
    """tokens [L,1,h,w] with those of unknown places replaced; None without candidates."""
    source = sources(z, unknown, guide, o, generator)
    return None if source is None else tokens.flatten(2)[:, :, source].reshape(tokens.shape)
