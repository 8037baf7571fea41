"""Quantizers (ARCHITECTURE.md, "Quantizer maths"): residual VQ with EMA or gradient codes, FSQ, LFQ, and none.

A quantizer maps a latent [B,D,h,w] to a Result. In training mode it also remembers what it saw, for update().
"""
import collections
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import entropy
from .world import World

# z: latent for the decoder, gradient straight through; loss: weighted auxiliary loss to add (commitment, codebook,
# entropy); tokens: [levels,B,h,w] int64; terms: name -> detached scalar.
Result = collections.namedtuple("Result", "z loss tokens terms")


def make(q, loss):
    """Build from a completed quantizer config and "train.loss" (for the entropy loss)."""
    if q["type"] == "fsq":
        return Fsq(q["bins"])
    if q["type"] == "lfq":
        return Lfq(q, loss)
    if q["type"] == "none":
        return Continuous()
    if q["type"] != "vq" or q["update"] not in ("ema", "gradient"):
        raise ValueError("unknown quantizer %r" % (q,))
    return Vq(q, loss)


class Quantizer(nn.Module):
    """What the trainer asks of every kind. `world`: whose statistics to sum."""

    def __init__(self, loss=None):
        super().__init__()
        self.world, self.loss = World(), loss

    def settle(self):
        """To be called after codes moved."""

    def update(self):
        """To be called after a good step: codes and statistics follow the latents of the last forward pass."""

def code_bits(count):
    """Code lengths in bits from EMA counts [...,K]: -log2((n + a)/(N + K a)), a = 0.01 N/K, within [0,16]."""
    total, k = count.sum(-1, keepdim=True), count.shape[-1]
    a = 0.01 * total / k
    return (-torch.log2((count + a) / (total + k * a))).clamp(0, 16)


def lowest(d):
    """argmin of each row of d [n,K], the first of equals. numpy's search takes a third of the time of torch 1.13's."""
    return torch.from_numpy(d.detach().numpy().argmin(1)) if d.device.type == "cpu" else d.argmin(1)


class Vq(Quantizer):
    """Residual vector quantizer: level l codes what the levels before it left. In levels >= 1 code 0 stays zero."""

    def __init__(self, q, loss):
        super().__init__(loss)
        self.q, self.seen = q, []
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
        """With "normalize" codes get length one."""
        if self.q.get("normalize"):
            self.codebook.data.copy_(F.normalize(self.codebook.data, dim=-1))

    def choose(self, r, level, lam):
        """argmin_k |r - e_k|^2 + lam bits_k; ties go to the lowest k. r [n,D] -> [n] int64."""
        e = self.codebook[level].detach()
        bias = (e * e).sum(1) + lam * self.bits[level]
        return lowest(torch.addmm(bias, r, e.t(), alpha=-2))

    def book(self, level):
        """A level's codes [K,D] with the gradient they have: the pinned zero code of levels >= 1 gets none."""
        if self.q["update"] == "ema":
            return self.codebook[level]
        book = self.codebook[level]
        book = torch.cat([book[:1].detach(), book[1:]]) if level else book
        return F.normalize(book, dim=-1) if self.q.get("normalize") else book

    def forward(self, z, levels=None, lam=0.0):
        b, d, h, w = z.shape
        flat = z.permute(0, 2, 3, 1).reshape(-1, d)
        r, tokens, book_loss, spread = flat.detach(), [], flat.new_zeros(()), flat.new_zeros(())
        self.seen = []
        for l in range(levels or self.q["levels"]):
            k = self.choose(r, l, lam)
            tokens.append(k)
            book = self.book(l)
            if self.q["update"] == "gradient":
                book_loss = book_loss + F.mse_loss(F.embedding(k, book), r)
            if self.training:
                if self.loss["entropy"]:
                    spread = spread + entropy.codes(r + flat - flat.detach(), book, self.loss, self.world)
                self.seen.append((r, k))
            r = r - self.codebook[l].detach()[k]
        commit = (r + flat - flat.detach()).square().mean()     # flat - sg(z_q): r is its value, flat its gradient
        zq = (flat - r).reshape(b, h, w, d).permute(0, 3, 1, 2)  # straight through: z - const
        loss = self.q["commitment"] * commit + book_loss
        terms = {"commitment": commit.detach(), "codebook": book_loss.detach()}
        if self.training and self.loss["entropy"]:
            loss = loss + self.loss["entropy"] * spread
            terms["entropy"] = spread.detach()
        return Result(zq, loss, torch.stack(tokens).reshape(-1, b, h, w), terms)

    def lookup(self, tokens):
        """Tokens [levels,B,h,w] -> quantized latents [B,D,h,w]."""
        return sum(self.codebook[l][k] for l, k in enumerate(tokens)).permute(0, 3, 1, 2)

    @torch.no_grad()
    def update(self):
        """Per level: EMA of counts (always) and of sums and codes (update "ema"), then restart of dead codes."""
        for l, (r, k) in enumerate(self.seen):
            self._track(l, r, k)
        self.seen = []

    def _sums(self, r, k):
        """(latents per code [K], their sums [K,D]) over all processes."""
        n = torch.bincount(k, minlength=self.q["size"]).to(r)
        s = torch.zeros(self.q["size"], self.q["dim"]).to(r).index_add_(0, k, r)
        if self.world.size > 1:
            n, s = self.world.sum(torch.cat([n[:, None], s], 1)).split([1, s.shape[1]], 1)
            n = n[:, 0]
        return n, s

    def _track(self, l, r, k):
        q = self.q
        n, s = self._sums(r, k)
        self.count[l].mul_(q["decay"]).add_(n, alpha=1 - q["decay"])
        if q["update"] == "ema":
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
            pick = self.world.pick(r, torch.randint(self.world.total(r), (m,)))
            noise = torch.randn(pick.shape).to(pick)  # drawn on the CPU: the same in every process
            pick = pick + 1e-3 * deviation(r, self.world) * noise
            n = 10 * self.q["restart"]
            self.codebook.data[l, dead] = pick
            self.count[l, dead], self.sum[l, dead] = n, n * pick

    @torch.no_grad()
    def fit(self, z, rounds=6, chunk=None):
        """k-means of each level on the residuals of latents z [n,D], `chunk` of them from each batch; counts become
        assignments per 2048 latents."""
        r, size, world = z, self.q["size"], self.world
        for l in range(self.q["levels"]):
            e = world.pick(r, torch.randperm(world.total(r))[:size], chunk).clone()
            for _ in range(rounds):
                if l:
                    e[0] = 0
                self.codebook.data[l] = e
                k = self.choose(r, l, 0.0)
                n, s = self._sums(r, k)
                empty = n == 0
                e = s / n.clamp(min=1)[:, None]
                e[empty] = world.pick(r, torch.randint(world.total(r), (int(empty.sum()),)), chunk)
                if self.q.get("normalize"):
                    e = F.normalize(e, dim=-1)
            if l:
                e[0] = 0
            self.codebook.data[l] = e
            k = self.choose(r, l, 0.0)
            self.count[l] = self._sums(r, k)[0].clamp(min=0.5) * (2048 / world.total(r))
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
            order = tree_order(self.codebook[l].detach().float().double().cpu(), 0 if l else None)
            self.permute(l, order.to(self.codebook.device))


def principal_axis(c):
    """Of centred codes c [n,D], by 40 power steps from the code farthest from the mean (the first of equals)."""
    far = c.square().sum(1)
    axis = c[int((far == far.max()).nonzero()[0])]
    for _ in range(40):
        v = c.t() @ (c @ axis)
        length = v.square().sum()
        if not length > 1e-60:
            break
        axis = v / length.sqrt()
    return axis


def tree_order(codes, first=None):
    """codes [K,D] -> order [K] (old index at each new place), as src/nets/tree.c; `first`: an old index to stand at 0.
    The half that comes first holds the largest power of two below K."""
    def walk(idx):
        if len(idx) < 2:
            return idx
        half, mean = 1 << (len(idx) - 1).bit_length() - 1, codes[idx].mean(0)
        axis, idx = principal_axis(codes[idx] - mean), idx.sort()[0]
        ranked = idx[torch.argsort((codes[idx] - mean) @ axis, stable=True)]
        if first is not None and bool((ranked[half:] == first).any()):
            ranked = ranked.flip(0)
        return torch.cat([walk(ranked[:half]), walk(ranked[half:])])
    return walk(torch.arange(len(codes)))


def deviation(rows, world):
    """Standard deviation of all values of the processes' rows, as a scalar of rows' kind."""
    v = rows.double()
    n, a, b = world.sum(torch.stack([v.new_tensor(v.numel()), v.sum(), v.square().sum()]))
    return ((b - a * a / n) / (n - 1)).clamp(min=0).sqrt().to(rows)


class Continuous(Quantizer):
    """No quantizer: latents pass as they are."""

    def forward(self, z, levels=None, lam=0.0):
        return Result(z, z.new_zeros(()), z.new_zeros((0,) + z[:, 0].shape, dtype=torch.int64), {})


class Fsq(Quantizer):
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

    def forward(self, z, levels=None, lam=0.0):
        x = z.permute(0, 2, 3, 1)
        bound = torch.tanh(x + self.shift) * self.reach - self.offset
        digit = bound + (bound.round() - bound).detach()
        k = ((digit.detach() + self.width).round().long() * self.basis).sum(-1)
        zq = (digit / self.width).permute(0, 3, 1, 2)
        return Result(zq, z.new_zeros(()), k[None], {})

    def lookup(self, tokens):
        """Tokens [1,B,h,w] -> quantized latents [B,D,h,w]."""
        bins = (2 * self.reach / (1 + 1e-3)).round().long() + 1
        digit = torch.div(tokens[0][..., None], self.basis, rounding_mode="floor") % bins
        return ((digit - self.width) / self.width).permute(0, 3, 1, 2)


class Lfq(Quantizer):
    """Lookup-free quantization (Yu et al. 2024, MAGVIT-v2): the signs of the latent's channels, codes of length one.
    index = sum_i [z_i > 0] 2^i."""

    def __init__(self, q, loss):
        super().__init__(loss)
        self.q, b = q, q["bits"]
        self.reach = b ** -0.5
        self.register_buffer("basis", 2 ** torch.arange(b), persistent=False)

    def forward(self, z, levels=None, lam=0.0):
        flat = z.permute(0, 2, 3, 1)
        k = ((flat > 0).long() * self.basis).sum(-1)
        e = torch.where(flat > 0, 1.0, -1.0).to(z) * self.reach
        commit = (flat - e).square().mean()
        loss, terms = self.q["commitment"] * commit, {"commitment": commit.detach()}
        if self.training and self.loss["entropy"]:
            spread = entropy.bits(flat.reshape(-1, flat.shape[-1]), self.reach, self.loss, self.world)
            loss, terms["entropy"] = loss + self.loss["entropy"] * spread, spread.detach()
        zq = flat + (e - flat).detach()
        return Result(zq.permute(0, 3, 1, 2), loss, k[None], terms)

    def lookup(self, tokens):
        """Tokens [1,B,h,w] -> quantized latents [B,D,h,w]."""
        return ((tokens[0][..., None] & self.basis > 0) * 2.0 - 1).mul(self.reach).permute(0, 3, 1, 2)
