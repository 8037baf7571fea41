"""Quantizers (ARCHITECTURE.md, "Quantizer maths"): residual VQ with EMA or gradient codes, FSQ, and none.

A quantizer maps a latent [B,D,h,w] to a Result; in training mode it also updates its statistics.
"""
import collections
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

# z: latent for the decoder, gradient straight through; loss: weighted auxiliary loss to add (commitment, codebook);
# tokens: [levels,B,h,w] int64; terms: name -> detached scalar.
Result = collections.namedtuple("Result", "z loss tokens terms")


def make(q):
    """Build from a completed quantizer config."""
    if q["type"] == "fsq":
        return Fsq(q["bins"])
    if q["type"] == "none":
        return Continuous()
    if q["type"] != "vq" or q["update"] not in ("ema", "gradient"):
        raise ValueError("unknown quantizer %r" % (q,))
    return Vq(q)


def code_bits(count):
    """Code lengths in bits from EMA counts [...,K]: -log2((n + a)/(N + K a)), a = 0.01 N/K, within [0,16]."""
    total, k = count.sum(-1, keepdim=True), count.shape[-1]
    a = 0.01 * total / k
    return (-torch.log2((count + a) / (total + k * a))).clamp(0, 16)


class Vq(nn.Module):
    """Residual vector quantizer: level l codes what the levels before it left. In levels >= 1 code 0 stays zero."""

    def __init__(self, q):
        super().__init__()
        self.q = q
        book = torch.randn(q["levels"], q["size"], q["dim"]) / q["dim"] ** 0.5
        book[1:, 0] = 0
        if q.get("normalize") and q["levels"] > 1:
            raise ValueError("normalize works with one level only")
        if q["update"] == "gradient":
            self.codebook = nn.Parameter(book)
        else:
            self.register_buffer("codebook", book)
        self.register_buffer("count", torch.ones(q["levels"], q["size"]))
        self.register_buffer("sum", book.clone())
        self.register_buffer("bits", code_bits(self.count))
        self.settle()

    @torch.no_grad()
    def settle(self):
        """To be called after codes moved: with "normalize" they get length one."""
        if self.q.get("normalize"):
            self.codebook.data.copy_(F.normalize(self.codebook.data, dim=-1))

    def choose(self, r, level, lam):
        """argmin_k |r - e_k|^2 + lam bits_k; ties go to the lowest k. r [n,D] -> [n] int64."""
        e = self.codebook[level].detach()
        bias = (e * e).sum(1) + lam * self.bits[level]
        return torch.addmm(bias, r, e.t(), alpha=-2).argmin(1)

    def forward(self, z, levels=None, lam=0.0):
        b, d, h, w = z.shape
        flat = z.permute(0, 2, 3, 1).reshape(-1, d)
        r, tokens, book_loss = flat.detach(), [], flat.new_zeros(())
        for l in range(levels or self.q["levels"]):
            k = self.choose(r, l, lam)
            tokens.append(k)
            if self.q["update"] == "gradient":
                # the pinned zero code of levels >= 1 takes part in the value but gets no gradient
                book = torch.cat([self.codebook[l, :1].detach(), self.codebook[l, 1:]]) if l else self.codebook[l]
                if self.q.get("normalize"):
                    book = F.normalize(book, dim=-1)
                book_loss = book_loss + F.mse_loss(F.embedding(k, book), r)
            e = self.codebook[l].detach()[k]
            if self.training and bool(torch.isfinite(r.sum())):
                self._track(l, r, k)
            r = r - e
        commit = (r + flat - flat.detach()).square().mean()     # flat - sg(z_q): r is its value, flat its gradient
        zq = (flat - r).reshape(b, h, w, d).permute(0, 3, 1, 2)  # straight through: z - const
        loss = self.q["commitment"] * commit + book_loss
        terms = {"commitment": commit.detach(), "codebook": book_loss.detach()}
        return Result(zq, loss, torch.stack(tokens).reshape(-1, b, h, w), terms)

    @torch.no_grad()
    def _track(self, l, r, k):
        """EMA of counts (always) and of sums and codes (update "ema"), then restart of dead codes."""
        q, size = self.q, self.q["size"]
        n = torch.bincount(k, minlength=size).to(r)
        self.count[l].mul_(q["decay"]).add_(n, alpha=1 - q["decay"])
        if q["update"] == "ema":
            s = torch.zeros_like(self.sum[l]).index_add_(0, k, r)
            self.sum[l].mul_(q["decay"]).add_(s, alpha=1 - q["decay"])
            self._place(l)
        if q["restart"] > 0:
            self._restart(l, r)
        self.settle()
        self.bits[l] = code_bits(self.count[l])

    def _place(self, l):
        """e = s / smoothed n, Laplace smoothing 1e-5."""
        n = self.count[l]
        total = n.sum()
        smooth = (n + 1e-5) / (total + self.q["size"] * 1e-5) * total
        self.codebook[l] = self.sum[l] / smooth[:, None]
        if l:
            self.codebook[l, 0] = 0

    def _restart(self, l, r):
        dead = self.count[l] < self.q["restart"]
        if l:
            dead[0] = False
        m = int(dead.sum())
        if m:
            pick = r[torch.randint(len(r), (m,), device=r.device)]
            pick = pick + 1e-3 * r.std() * torch.randn_like(pick)
            n = 10 * self.q["restart"]
            self.codebook.data[l, dead] = pick
            self.count[l, dead], self.sum[l, dead] = n, n * pick

    @torch.no_grad()
    def fit(self, z, rounds=6):
        """k-means of each level on the residuals of latents z [n,D]; counts become assignments per 2048 latents."""
        r, size = z, self.q["size"]
        for l in range(self.q["levels"]):
            e = r[torch.randperm(len(r), device=r.device)[:size]].clone()
            for _ in range(rounds):
                if l:
                    e[0] = 0
                self.codebook.data[l] = e
                k = self.choose(r, l, 0.0)
                n = torch.bincount(k, minlength=size).to(r)
                s = torch.zeros_like(e).index_add_(0, k, r)
                empty = n == 0
                e = s / n.clamp(min=1)[:, None]
                e[empty] = r[torch.randint(len(r), (int(empty.sum()),), device=r.device)]
                if self.q.get("normalize"):
                    e = F.normalize(e, dim=-1)
            if l:
                e[0] = 0
            self.codebook.data[l] = e
            k = self.choose(r, l, 0.0)
            self.count[l] = torch.bincount(k, minlength=size).to(r).clamp(min=0.5) * (2048 / len(r))
            self.sum[l] = e * self.count[l][:, None]
            self.bits[l] = code_bits(self.count[l])
            r = r - e[k]

    @torch.no_grad()
    def permute(self, level, order):
        """Renumber one level's codes: new code i is old code order[i]."""
        for t in (self.codebook.data, self.count, self.sum, self.bits):
            t[level] = t[level][order].clone()

    @torch.no_grad()
    def sort_tree(self):
        """Tree order for every level: index bits, high first, walk median splits along principal axes. Levels >= 1
        keep the zero code at 0: the half that holds it comes first at every split."""
        for l in range(self.q["levels"]):
            order = tree_order(self.codebook[l].detach().double().cpu(), 0 if l else None)
            self.permute(l, order.to(self.codebook.device))


def tree_order(codes, first=None):
    """codes [K,D], K a power of two -> order [K] (old index at each new place); `first`: an old index to stand at 0."""
    def walk(idx):
        if len(idx) == 1:
            return idx
        c = codes[idx]
        c = c - c.mean(0)
        axis = torch.linalg.eigh(c.t() @ c)[1][:, -1]
        ranked = idx[torch.argsort(c @ axis, stable=True)]
        a, b = ranked[:len(idx) // 2], ranked[len(idx) // 2:]
        if first is not None and bool((b == first).any()):
            a, b = b, a
        return torch.cat([walk(a), walk(b)])
    return walk(torch.arange(len(codes)))


class Continuous(nn.Module):
    """No quantizer: latents pass as they are."""

    def settle(self):
        pass

    def forward(self, z, levels=None, lam=0.0):
        return Result(z, z.new_zeros(()), z.new_zeros((0,) + z[:, 0].shape, dtype=torch.int64), {})


class Fsq(nn.Module):
    """Finite scalar quantization (Mentzer et al. 2023): bounded, rounded channels; one token per position,
    index = sum_i digit_i * prod_{j<i} bins_j. Latent values are digits scaled to [-1,1]."""

    def __init__(self, bins):
        super().__init__()
        b = torch.tensor(bins, dtype=torch.float32)
        half = (b - 1) * (1 + 1e-3) / 2
        offset = torch.where(b % 2 == 0, 0.5, 0.0)
        self.register_buffer("reach", half, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("shift", torch.atanh(offset / half), persistent=False)
        self.register_buffer("width", torch.div(b, 2, rounding_mode="floor"), persistent=False)
        self.register_buffer("basis", torch.tensor([math.prod(bins[:i]) for i in range(len(bins))]), persistent=False)

    def settle(self):
        pass

    def forward(self, z, levels=None, lam=0.0):
        x = z.permute(0, 2, 3, 1)
        bound = torch.tanh(x + self.shift) * self.reach - self.offset
        digit = bound + (bound.round() - bound).detach()
        k = ((digit.detach() + self.width).round().long() * self.basis).sum(-1)
        zq = (digit / self.width).permute(0, 3, 1, 2)
        return Result(zq, z.new_zeros(()), k[None], {})
