"""The predictor of one level's tokens: the net that src/codec/predictor.h runs in integers (docs/FORMAT.md, "Predictor")."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ROWS, REACH, LOW = 4, 4, 2  # rows above, columns to either side, reach into the lower levels
ACTIVATION = 32767
MIX_UNIT = 16


def _round(x, step):
    """To whole steps, straight through (Bengio et al., arXiv:1308.3432)."""
    return x + (torch.round(x / step) * step - x).detach()


class Predictor(nn.Module):
    """Log-likelihoods of every code of `level` at every place of a tile, from the tokens before it and the lower levels."""

    def __init__(self, codebook, level, hidden, query):
        """codebook: [levels, K, D] floats, where the learned vectors start."""
        super().__init__()
        self.level, (_, self.size, self.dim), self.rounded = level, codebook.shape, False
        outside, spread = torch.zeros(1, self.dim), codebook[0].std()
        self.codes = nn.ParameterList([
            nn.Parameter(torch.cat([codebook[k] / (codebook[k].std() if k == level else spread), outside]))
            for k in range(level + 1)])
        self.own = nn.Conv2d(self.dim, hidden, (ROWS + 1, 2 * REACH + 1))
        before = torch.ones(ROWS + 1, 2 * REACH + 1)
        before[ROWS, REACH:] = 0
        self.register_buffer("before", before, persistent=False)
        self.low = nn.Conv2d(self.dim, hidden, 2 * LOW + 1, bias=False) if level else None
        self.inner, self.outer = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.query = nn.Linear(hidden, query)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)
        self.query.weight.data *= 0.2
        keys = torch.randn(self.size, query) * 0.1
        shared = min(query, self.dim)
        keys[:, :shared] = codebook[level, :, :shared] / codebook[level].std()
        self.keys, self.bias = nn.Parameter(keys), nn.Parameter(torch.zeros(self.size))

    def weights(self):
        """All weights as the forward pass uses them: rounded to what int8 holds, gradients passing, if `rounded`."""
        own, low = self.own.weight * self.before, self.low.weight if self.level else None
        w = {"codes": list(self.codes), "own": own, "low": low, "inner": self.inner.weight, "outer": self.outer.weight,
             "query": self.query.weight, "keys": self.keys}
        if not self.rounded:
            return w
        steps = self.steps()
        w["codes"] = [_round(c, s) for c, s in zip(w["codes"], steps["codes"])]
        w["own"] = _round(own, steps["own"][:, None, None, None])
        if self.level:
            w["low"] = _round(low, steps["low"][:, None, None, None])
        for name in ("inner", "outer", "query"):
            w[name] = _round(w[name], steps[name][:, None])
        w["keys"] = _round(self.keys, steps["keys"])
        return w

    @torch.no_grad()
    def steps(self):
        """What one unit of each int8 stands for. Both parts of the first layer's rows share the unit of their sums."""
        most = lambda w: w.abs().max() / 127
        rows = lambda w: w.abs().flatten(1).amax(1).clamp(min=1e-9) / 127
        own_codes = most(self.codes[self.level])
        low_codes = max((most(c) for c in list(self.codes)[:self.level]), default=own_codes)
        first = rows(self.own.weight * self.before) * own_codes
        if self.level:
            first = torch.maximum(first, rows(self.low.weight) * low_codes)
        return {"codes": [low_codes] * self.level + [own_codes], "first": first, "own": first / own_codes,
                "low": first / low_codes, "inner": rows(self.inner.weight), "outer": rows(self.outer.weight),
                "query": rows(self.query.weight), "keys": most(self.keys)}

    def hidden(self, tokens, w):
        """What comes out of the three hidden layers, [N, h, w, hidden]: tokens [N, level + 1, h, w], `size` outside."""
        pad = lambda t, p: F.pad(t, p, value=self.size)
        own = w["codes"][self.level][pad(tokens[:, self.level], (REACH, REACH, ROWS, 0))].permute(0, 3, 1, 2)
        h = F.conv2d(own, w["own"], self.own.bias)
        if self.level:
            low = sum(w["codes"][k][pad(tokens[:, k], (LOW,) * 4)] for k in range(self.level))
            h = h + F.conv2d(low.permute(0, 3, 1, 2), w["low"])
        h = F.relu(h.permute(0, 2, 3, 1))
        inner = F.relu(F.linear(h, w["inner"], self.inner.bias))
        return h, inner, F.relu(h + F.linear(inner, w["outer"], self.outer.bias))

    def forward(self, tokens):
        """[N, h, w, K]"""
        w = self.weights()
        return F.linear(self.hidden(tokens, w)[2], w["query"], self.query.bias) @ w["keys"].T + self.bias


def decisions(logits, tokens, level, frequent=0):
    """Log-odds of a 1 for each decision on the way to `tokens` [...]: [..., depths], as the coder derives them."""
    size = logits.shape[-1]
    bits = (size - 1).bit_length()
    mass = torch.exp(logits.float() - logits.float().max(-1, keepdim=True)[0]).double()
    out = []
    if level:
        out.append(torch.log(mass[..., frequent] / (mass.sum(-1) - mass[..., frequent])))
        mass = mass.clone()
        mass[..., frequent] = 0
    below = F.pad(mass.cumsum(-1), (1, 0))
    for d in range(bits):
        half = 1 << (bits - 1 - d)
        first = tokens // (2 * half) * (2 * half)
        edge = below.gather(-1, torch.stack([first, first + half, first + 2 * half], -1).clamp(max=size))
        out.append(torch.log((edge[..., 2] - edge[..., 1] + 1e-12) / (edge[..., 1] - edge[..., 0] + 1e-12)))
    return torch.stack(out, -1).float()


# ---- integers ------------------------------------------------------------------------------------------------------


def _rows(weight, step, bias, scale_in, scale_out):
    """Rows of int8, biases and uint16 scales with one shift: scale_out x = (rows . in + bias) scale >> shift. step: what
    a unit of each row stands for, scale_in: units of what comes in to 1."""
    ratio = step / scale_in * scale_out
    shift = int(np.clip(np.floor(16 - np.log2(float(ratio.max()))) - 1, 1, 31))
    scale = torch.round(ratio * 2.0 ** shift).clamp(0, 65535)
    return (torch.round(weight / step[:, None]).numpy().astype("i1").tobytes()
            + torch.round(bias / step * scale_in).numpy().astype("<i4").tobytes() + scale.numpy().astype("<u2").tobytes(), shift)


@torch.no_grad()
def pack(net, tokens, mix):
    """The bytes of `predictor.{level}`: scales fit what the net does on tokens [N, levels, h, w]; mix [depths, 3]."""
    net.rounded = True
    steps, weights = net.steps(), net.weights()
    flat = lambda w: w.permute(0, 2, 3, 1).reshape(w.shape[0], -1)
    first = [flat(weights["own"][:, :, :ROWS]) / steps["own"][:, None], flat(weights["own"][:, :, ROWS:, :REACH]) / steps["own"][:, None]]
    if net.level:
        first.append(flat(weights["low"]) / steps["low"][:, None])
    h, inner, out = net.hidden(tokens, weights)
    query = F.linear(out, weights["query"], net.query.bias)
    room = lambda x: ACTIVATION / (1.25 * float(x.abs().max()))
    h_scale, inner_scale = room(torch.stack([h, out])), room(inner)
    shift = int(np.clip(np.floor(np.log2(room(query) / (256 * float(steps["keys"])))), 1, 15))
    query_scale = 256 * 2.0 ** shift * float(steps["keys"])  # so that 256 logit = keys . query >> shift
    units = torch.ones(h.shape[-1])
    layers = [_rows(torch.cat(first, 1), units, net.own.bias / steps["first"], 1, steps["first"] * h_scale),
              _rows(weights["inner"], steps["inner"], net.inner.bias, h_scale, inner_scale),
              _rows(weights["outer"], steps["outer"], net.outer.bias, inner_scale, h_scale),
              _rows(weights["query"], steps["query"], net.query.bias, h_scale, query_scale)]
    out = bytes([1, net.dim]) + np.array([h.shape[-1], net.keys.shape[1]], "<u2").tobytes() + bytes([l[1] for l in layers] + [shift, 0])
    for c, step in zip(weights["codes"], steps["codes"]):
        out += torch.round(c / step).numpy().astype("i1").tobytes()
    out += b"".join(l[0] for l in layers) + torch.round(weights["keys"] / steps["keys"]).numpy().astype("i1").tobytes()
    out += torch.round(net.bias * 256 * 2 ** shift).numpy().astype("<i4").tobytes()
    return out + np.clip(np.round(np.asarray(mix) * 65536 / MIX_UNIT), -32768, 32767).astype("<i2").tobytes()


def run(data, level, size, tokens):
    """256 logits [h, w, size] of packed bytes, in the integers of src/codec: tokens [level + 1, h, w]. Slow: the oracle."""
    at = 12
    dim, (hidden, query) = data[1], np.frombuffer(data, "<u2", 2, 2)
    shifts = list(data[6:11])

    def take(kind, *shape):
        nonlocal at
        a = np.frombuffer(data, kind, int(np.prod(shape)), at).reshape(shape)
        at += a.nbytes
        return a

    codes = take("i1", level + 1, size + 1, dim).astype(np.int64)
    columns = (ROWS * (2 * REACH + 1) + REACH + (level > 0) * (2 * LOW + 1) ** 2) * dim
    layers = [(take("i1", r, c).astype(np.int64), take("<i4", r).astype(np.int64), take("<u2", r).astype(np.int64), s)
              for (r, c), s in zip(((hidden, columns), (hidden, hidden), (hidden, hidden), (query, hidden)), shifts)]
    keys, bias = take("i1", size, query).astype(np.int64), take("<i4", size).astype(np.int64)
    _, height, width = tokens.shape
    pad = lambda t, p: np.pad(t.astype(np.int64), p, constant_values=size)
    own = codes[level][pad(tokens[level], ((ROWS, 0), (REACH, REACH)))]
    low = sum(codes[k][pad(tokens[k], LOW)] for k in range(level)) if level else None
    out = np.zeros((height, width, size), np.int64)

    def scaled(layer, x):
        w, b, m, s = layer
        return np.clip((w @ x + b) * m + (1 << (s - 1)) >> s, -ACTIVATION, ACTIVATION)

    for y in range(height):
        for x in range(width):
            v = [own[y:y + ROWS, x:x + 2 * REACH + 1].ravel(), own[y + ROWS, x:x + REACH].ravel()]
            if level:
                v.append(low[y:y + 2 * LOW + 1, x:x + 2 * LOW + 1].ravel())
            h = np.maximum(scaled(layers[0], np.concatenate(v)), 0)
            inner = np.maximum(scaled(layers[1], h), 0)
            h = np.clip(h + scaled(layers[2], inner), 0, ACTIVATION)
            out[y, x] = keys @ scaled(layers[3], h) + bias >> shifts[4]
    return out
