"""Inpainting: the hole is filled smoothly and encoded; tokens that it touches are copied from where the picture looks
alike (exemplar.py) or sampled by a convolutional prior, level by level; the decoded picture goes into the hole, its
low frequencies from the smooth one, its offset at the border taken along by a membrane.

Pictures are [1,3,H,W] in [-1,1], sides multiples of the model's factor; masks bool [H,W], True where to fill.
"""
import collections

import torch
import torch.nn.functional as F

from . import conv_prior, exemplar, sample

# steps: MaskGIT steps of each level that the prior samples
# temperature, top_k, top_p: of its draws (sample.narrowed)
# mean: how many levels more get their codes' expected value
# dilate: tokens around those that the hole touches
Options = collections.namedtuple("Options", "steps temperature top_k top_p mean dilate")
DEFAULTS = Options((8, 3, 2), 0.5, 0, 1.0, 0, 0)
BAND = 16  # px: what is smoother than that comes from the smooth picture


# ---- smooth filling --------------------------------------------------------------------------------------------------

def pull_push(x, weight):
    """Values x [1,C,H,W] known with `weight` [1,1,H,W] in 0..1 -> values everywhere (Gortler et al. 1996): means of
    2 x 2 that ignore what is not known, down to one pixel, then back up bilinearly where nothing is known."""
    h, w = x.shape[2:]
    if h == 1 and w == 1:
        return x
    pad = (0, w % 2, 0, h % 2)
    total = F.avg_pool2d(F.pad(weight, pad), 2) * 4
    means = F.avg_pool2d(F.pad(x * weight, pad), 2) * 4 / total.clamp(min=1e-6)
    coarse = pull_push(means, total.clamp(max=1))
    up = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :h, :w]
    return weight * x + (1 - weight) * up


def relax(x, mask, rounds, omega=1.9):
    """Gauss-Seidel with over-relaxation, red and black, towards the Laplace equation inside the mask; edges reflect."""
    h, w = mask.shape
    board = (torch.arange(h)[:, None] + torch.arange(w)) % 2
    colours = [(mask & (board == c))[None, None].to(x) for c in (0, 1)]
    for _ in range(rounds):
        for colour in colours:
            e = F.pad(x, (1, 1, 1, 1), mode="replicate")
            near = (e[..., :-2, 1:-1] + e[..., 2:, 1:-1] + e[..., 1:-1, :-2] + e[..., 1:-1, 2:]) / 4
            x = x + omega * colour * (near - x)
    return x


def smooth(x, mask, rounds=60):
    """The hole filled by a membrane that hangs from its border."""
    known = (~mask)[None, None].to(x)
    return relax(pull_push(x * known, known), mask, rounds)


# ---- tokens ----------------------------------------------------------------------------------------------------------

def touched(mask, factor, dilate):
    """bool [h,w]: tokens whose factor x factor pixels the hole touches, and `dilate` around."""
    cells = F.max_pool2d(mask[None, None].float(), factor)
    return F.max_pool2d(cells, 2 * dilate + 1, 1, dilate)[0, 0] > 0


def window(places, margin=24):
    """Rows and columns of a crop of the grid around the unknown places: the prior need not see the rest."""
    def span(used, n):
        at = used.nonzero()[:, 0]
        return slice(max(0, int(at[0]) - margin) // 4 * 4, min(n, int(at[-1]) + 1 + margin))
    h, w = places.shape
    return span(places.any(1), h), span(places.any(0), w)


@torch.no_grad()
def settle(prior, tokens, unknown, codebook, o, generator):
    """Sampled levels of the unknown places: MaskGIT steps of each, in Halton order from a random place of it.
    tokens [L,1,h,w] -> (tokens, p [1,D,h,w] the sum of all codes known or sampled, nats per sampled place)."""
    tokens, levels = tokens.clone(), len(tokens)
    rows, columns = unknown.shape
    order = torch.tensor(sample.halton(rows, columns))
    known = torch.where(unknown, 0, levels)
    nats = 0.0
    for l, steps in enumerate(o.steps):
        first = int(torch.randint(rows * columns, (1,), generator=generator))
        places = torch.cat([order[first:], order[:first]])
        places = places[unknown.flatten()[places]]
        count = left = len(places)
        for step in range(steps):
            after = sample.masked_after(step, steps, count, left)
            if after == left:
                continue
            now = places[count - left:count - after]
            features = prior(*conv_prior.state(tokens, known[None], codebook))
            logits = prior.head[l](features.reshape(-1, features.shape[-1])[now])
            narrow = sample.narrowed(logits, o.temperature, o.top_k, o.top_p)
            drawn = (narrow + sample.gumbel(narrow, generator)).argmax(-1)
            nats -= float(torch.log_softmax(logits, -1).gather(1, drawn[:, None]).sum())
            tokens[l].view(-1)[now] = drawn
            known.view(-1)[now] = l + 1
            left = after
    p = conv_prior.state(tokens, known[None], codebook)[0]
    for l in range(len(o.steps), len(o.steps) + o.mean):
        features = prior(p, known[None])
        p = p + ((torch.softmax(prior.head[l](features), -1) @ codebook[l]) * unknown[..., None]).permute(0, 3, 1, 2)
        known = torch.where(unknown, l + 1, known)
    return tokens, p, nats / max(1, int(unknown.sum()))


@torch.no_grad()
def latents(model, prior, tokens, unknown, o, generator):
    """-> (latents [1,D,h,w] of the whole grid, nats per unknown place)."""
    z = model.quantizer.lookup(tokens)
    if not unknown.any():
        return z, 0.0
    ys, xs = window(unknown)
    _, p, nats = settle(prior, tokens[:, :, ys, xs], unknown[ys, xs], model.quantizer.codebook, o, generator)
    z[:, :, ys, xs] = p
    return z, nats


# ---- pixels ----------------------------------------------------------------------------------------------------------

def band(y, full, side=BAND):
    """y with the low frequencies of `full`: means of blocks, taken bilinearly."""
    h, w = y.shape[2:]
    low = F.avg_pool2d(F.pad(full - y, (0, -w % side, 0, -h % side), mode="replicate"), side)
    return y + F.interpolate(low, scale_factor=side, mode="bilinear", align_corners=False)[..., :h, :w]


def blend(x, y, mask, rounds=40):
    """x outside the mask; inside, y plus a membrane over x - y at the border."""
    known = (~mask)[None, None].to(x)
    offset = relax(pull_push((x - y) * known, known), mask, rounds)
    return torch.where(mask, (y + offset).clamp(-1, 1), x)


@torch.no_grad()
def inpaint(model, x, mask, prior=None, o=DEFAULTS, e=exemplar.DEFAULTS, generator=None):
    """-> picture. By exemplars, or with a prior by it alone; membranes where the picture has no exemplar."""
    full = smooth(x, mask)
    guide = model.encoder(full)
    tokens = model.quantizer(guide).tokens
    unknown = touched(mask, model.factor, o.dilate)
    if prior is None:
        filled = exemplar.fill(tokens, model.quantizer.lookup(tokens)[0], unknown, guide[0], e, generator)
        if filled is None:
            return full
        z = model.quantizer.lookup(filled)
    else:
        z, _ = latents(model, prior, tokens, unknown, o, generator)
    return blend(x, band(model.decoder(z), full), mask)
