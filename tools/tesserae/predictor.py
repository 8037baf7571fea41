"""The predictor of one level's tokens: the net that src/codec/predictor.h runs in integers (docs/FORMAT.md, "Predictor")."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ROWS, REACH, LOW = 4, 4, 2  # rows above, columns to either side, reach into the lower levels
ACTIVATION = 32767
MIX_UNIT = 16


class Predictor(nn.Module):
    """Log-likelihoods of every code of `level` at every place of a tile, from the tokens before it and the lower levels."""

    def __init__(self, codebook, level, hidden, query):
        """codebook: [levels, K, D] floats, where the learned vectors start."""
        super().__init__()
        self.level, (_, self.size, self.dim) = level, codebook.shape
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

    def window(self, tokens):
        """The first layer's two inputs, channels first: tokens [N, level + 1, h, w], `size` where there is none."""
        pad = lambda t, p: F.pad(t, p, value=self.size)
        own = self.codes[self.level][pad(tokens[:, self.level], (REACH, REACH, ROWS, 0))].permute(0, 3, 1, 2)
        if not self.level:
            return own, None
        low = sum(self.codes[k][pad(tokens[:, k], (LOW,) * 4)] for k in range(self.level))
        return own, low.permute(0, 3, 1, 2)

    def hidden(self, tokens):
        own, low = self.window(tokens)
        h = F.conv2d(own, self.own.weight * self.before, self.own.bias)
        if low is not None:
            h = h + self.low(low)
        h = F.relu(h.permute(0, 2, 3, 1))
        inner = F.relu(self.inner(h))
        return h, inner, F.relu(h + self.outer(inner))

    def forward(self, tokens):
        """[N, h, w, K]"""
        return self.query(self.hidden(tokens)[2]) @ self.keys.T + self.bias


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


def _rows(weight, bias, scale_in, scale_out):
    """int8 rows, int32 biases and uint16 scales with one shift: out * scale_out = (w (in * scale_in) + b) m >> shift."""
    step = weight.abs().amax(1).clamp(min=1e-9) / 127
    w = torch.round(weight / step[:, None])
    b = torch.round(bias / step * scale_in)
    ratio = step / scale_in * scale_out
    shift = int(np.clip(np.floor(15 - np.log2(float(ratio.max()))), 1, 31))
    return w.numpy().astype(np.int8), b.numpy().astype(np.int32), torch.round(ratio * 2 ** shift).clamp(0, 65535).numpy().astype("<u2"), shift


@torch.no_grad()
def pack(net, tokens, mix):
    """The bytes of `predictor.{level}`: scales fit what the net does on tokens [N, levels, h, w]; mix [depths, 3]."""
    level, dim = net.level, net.dim
    own_scale = 127 / float(net.codes[level].abs().max())
    low_scale = 127 / max([float(net.codes[k].abs().max()) for k in range(level)] or [1])
    codes = [torch.round(net.codes[k] * (own_scale if k == level else low_scale)) for k in range(level + 1)]
    hidden = net.own.weight.shape[0]
    own = net.own.weight * net.before
    flat = [own[:, :, :ROWS].permute(0, 2, 3, 1).reshape(hidden, -1),
            own[:, :, ROWS, :REACH].permute(0, 2, 1).reshape(hidden, -1)]
    flat = [f / own_scale for f in flat]
    if level:
        flat.append(net.low.weight.permute(0, 2, 3, 1).reshape(hidden, -1) / low_scale)
    h, inner, out = net.hidden(tokens)
    query = net.query(out)
    room = lambda x: ACTIVATION / (1.25 * float(x.abs().max()))
    h_scale, inner_scale = room(torch.stack([h, out])), room(inner)
    key_step = float(net.keys.abs().max()) / 127
    shift = int(np.clip(np.floor(np.log2(room(query) / (256 * key_step))), 1, 15))
    query_scale = 256 * 2.0 ** shift * key_step  # so that 256 logit = keys . query >> shift
    layers = [_rows(torch.cat(flat, 1), net.own.bias, 1, h_scale), _rows(net.inner.weight, net.inner.bias, h_scale, inner_scale),
              _rows(net.outer.weight, net.outer.bias, inner_scale, h_scale), _rows(net.query.weight, net.query.bias, h_scale, query_scale)]
    keys = torch.round(net.keys / key_step).numpy().astype(np.int8)
    bias = torch.round(net.bias * 256 * 2 ** shift).numpy().astype("<i4")
    out = bytes([1, dim]) + np.array([hidden, net.keys.shape[1]], "<u2").tobytes() + bytes([l[3] for l in layers] + [shift, 0])
    out += b"".join(c.numpy().astype(np.int8).tobytes() for c in codes)
    for w, b, m, _ in layers:
        out += w.tobytes() + b.astype("<i4").tobytes() + m.tobytes()
    out += keys.tobytes() + bias.tobytes()
    weights = np.clip(np.round(np.asarray(mix) * 65536 / MIX_UNIT), -32768, 32767).astype("<i2")
    return out + weights.tobytes()


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
