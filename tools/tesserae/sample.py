"""MaskGIT sampling of a prior's tokens: by confidence (Chang et al. 2022) or in Halton order (Besnier et al. 2025)."""
import math

import torch


def radical_inverse(i, base):
    """The digits of i mirrored behind the point -> (numerator, denominator)."""
    n, d = 0, 1
    while i:
        i, digit = divmod(i, base)
        n, d = n * base + digit, d * base
    return n, d


def halton(rows, columns):
    """All places of the grid, each once, in the order in which the Halton sequence of bases 2 and 3 meets them."""
    order, i = {}, 0
    while len(order) < rows * columns:
        i += 1
        (a, b), (c, d) = radical_inverse(i, 2), radical_inverse(i, 3)
        order.setdefault(a * rows // b * columns + c * columns // d)
    return list(order)


def masked_after(step, steps, count, left):
    """How many of `count` places stay masked after step `step` (0-based) of `steps`, `left` of them being so before."""
    return 0 if step + 1 >= steps else max(0, min(left - 1, int(count * math.cos(math.pi / 2 * (step + 1) / steps))))


def narrowed(logits, temperature=1.0, top_k=0, top_p=1.0):
    """logits [...,K] over the temperature (0: the best code alone); -inf outside the k best codes (of equal ones at the
    border all stay) and outside the fewest best ones whose probabilities sum to top_p."""
    if temperature <= 0:
        temperature, top_k = 1.0, 1
    x = logits / temperature
    if 0 < top_k < x.shape[-1]:
        x = x.masked_fill(x < x.topk(top_k).values[..., -1:], -math.inf)
    if top_p < 1:
        p, order = torch.softmax(x, -1).sort(descending=True)
        drop = torch.zeros_like(p, dtype=torch.bool).scatter(-1, order, p.cumsum(-1) - p >= top_p)
        x = x.masked_fill(drop, -math.inf)
    return x


def gumbel(like, generator):
    u = torch.rand(like.shape, device=like.device, generator=generator)
    return -torch.log(-torch.log(u.clamp(1e-20, 1 - 1e-7)))


@torch.no_grad()
def sample(prior, batch, words=None, label=None, steps=12, temperature=1.0, top_k=0, top_p=1.0, guidance=0.0,
           order="halton", tokens=None, keep=None, generator=None, tau=4.5):
    """-> tokens int64 [batch,places]. words, label: see Prior.forward; tokens, keep: int64 and bool [batch,places],
    what is given, as many places in every picture. With guidance w the logits are (1 + w) conditional - w
    unconditional."""
    n, device = prior.places, prior.head.weight.device
    keep = torch.zeros(batch, n, dtype=torch.bool, device=device) if keep is None else keep
    x = torch.full((batch, n), prior.codes, device=device) if tokens is None else tokens.masked_fill(~keep, prior.codes)
    count = left = int((~keep[0]).sum())
    rank = torch.empty(batch, n, device=device)  # Halton: low ranks settle first, from a random place of the order on
    at = torch.tensor(halton(*prior.config["grid"]), device=device)
    first = torch.randint(n, (batch, 1), device=device, generator=generator)
    rank[:, at] = ((torch.arange(n, device=device) - first) % n).float()
    for step in range(steps):
        if not left:
            break
        logits = prior(x, words, label).float()
        if guidance:
            logits = (1 + guidance) * logits - guidance * prior(x).float()
        drawn = (narrowed(logits, temperature, top_k, top_p) + gumbel(logits, generator)).argmax(-1)
        masked, left = x == prior.codes, masked_after(step, steps, count, left)
        if order == "confidence":
            p = torch.log_softmax(logits, -1).gather(-1, drawn[..., None])[..., 0]
            rank = -(p + tau * (1 - (step + 1) / steps) * gumbel(p, generator))
        late = rank.masked_fill(~masked, -math.inf).argsort(1).argsort(1) >= n - left  # the last `left` of the masked
        x = torch.where(masked & ~late, drawn, x)
    return x
