"""The prior over a tokenizer's codes: a transformer that sees some places of the grid and predicts the others."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

DEFAULTS = {"type": "transformer", "grid": [8, 8], "width": 256, "layers": 6, "heads": 4, "hidden": 1024,
            "dropout": 0.1, "classes": 0}
TEXT = {"words": 16, "buckets": 4096}


def attention(q, k, v, scale):
    """softmax(q k^T scale) v over [B,heads,places,channels]."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v)  # its scale is ours: 1 / sqrt(channels)
    return torch.softmax(q @ k.transpose(-1, -2) * scale, -1) @ v


class Norm(nn.LayerNorm):
    """LayerNorm in the type of its weights: under autocast the statistics stay float32."""

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype))


class Block(nn.Module):
    """x + proj(attention(qkv(norm1(x)))), then x + down(gelu(up(norm2(x)))); dropout on what is added."""

    def __init__(self, width, heads, hidden, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        """[B,places,width] -> the same."""
        drop = lambda t: F.dropout(t, self.dropout, self.training)
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = attention(q, k, v, (d // self.heads) ** -0.5)
        x = x + drop(self.proj(y.transpose(1, 2).reshape(b, n, d)))
        return x + drop(self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh")))


class Prior(nn.Module):
    """config: "prior" of a model's config, completed (`complete`); codes: K of the tokenizer. Token K is MASK.

    A condition is a prompt (`words`), a class, or nothing, as the config says; the attribute names are the tensor names
    in a model file after "prior."."""

    def __init__(self, config, codes):
        super().__init__()
        self.config, self.codes = config, codes
        width, self.places = config["width"], math.prod(config["grid"])
        self.token, self.place = nn.Embedding(codes + 1, width), nn.Embedding(self.places, width)
        if "text" in config:
            text = self.text = nn.Embedding(config["text"]["buckets"], width)
            text.place, text.none = (nn.Parameter(torch.empty(config["text"]["words"], width)) for _ in range(2))
        elif config["classes"]:
            setattr(self, "class", nn.Embedding(config["classes"] + 1, width))
        for i in range(config["layers"]):
            self.add_module(str(i), Block(width, config["heads"], config["hidden"], config["dropout"]))
        self.norm, self.head = Norm(width), nn.Linear(width, codes)
        self.start()

    def start(self):
        """Weights N(0, .02); what a block adds is smaller by sqrt(2 layers), so that their sum has the size of one."""
        for name, p in self.named_parameters():
            if p.dim() > 1:
                into = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * self.config["layers"]) if into else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def prompt(self, words, given):
        """words: (words.Lexicon, prompts int64 [B][words]); given: bool [B], or None for all that have a word ->
        [B,words,width]."""
        lexicon, prompts = words
        bank = F.embedding_bag(lexicon.features, self.text.weight, lexicon.offsets, mode="mean")
        some = (prompts > 0).any(1)
        given = some if given is None else some & given
        return torch.where(given[:, None, None], F.embedding(prompts, bank) + self.text.place, self.text.none)

    def condition(self, batch, words, label, given):
        """[B,condition places,width], or None where the config knows no condition."""
        if "text" in self.config:
            return self.text.none.expand(batch, -1, -1) if words is None else self.prompt(words, given)
        if not self.config["classes"]:
            return None
        none = torch.full((batch,), self.config["classes"], device=self.head.weight.device)
        label = none if label is None else label if given is None else torch.where(given, label, none)
        return getattr(self, "class")(label)[:, None]

    def forward(self, tokens, words=None, label=None, given=None):
        """-> logits [B,places,K]. tokens: int64 [B,places], K where masked; words: (words.Lexicon, prompts int64
        [B][words]), or None; label: int64 [B], or None for no class; given: bool [B], False where the condition is
        dropped."""
        x = self.token(tokens) + self.place.weight
        first = self.condition(len(tokens), words, label, given)
        if first is not None:
            x = torch.cat([first.to(x.dtype), x], 1)
        for i in range(self.config["layers"]):
            x = getattr(self, str(i))(x)
        return self.head(self.norm(x[:, -self.places:]))


def complete(given):
    """"prior" of a config with its defaults; raises ValueError on an unknown key or what does not fit together."""
    unknown = set(given) - set(DEFAULTS) - {"text", "vocabulary"}  # words that a page suggests: nothing depends on them
    c = dict(DEFAULTS, **given)
    if unknown or c["type"] != "transformer":
        raise ValueError("Config: prior.%s is not known" % (sorted(unknown)[0] if unknown else "type " + c["type"]))
    if c["width"] % c["heads"]:
        raise ValueError("Config: prior.heads must divide the width")
    if "text" in c:
        c["text"] = dict(TEXT, **c["text"])
    return c


def codes(quantizer):
    """How many tokens the quantizer of a completed config has; raises ValueError where there are none, or levels."""
    q = quantizer
    if q["type"] == "none" or q.get("levels", 1) != 1:
        raise ValueError("a transformer prior needs a quantizer of one level")
    return q["size"] if q["type"] == "vq" else 2 ** q["bits"] if q["type"] == "lfq" else math.prod(q["bins"])


def decays(name, p):
    """Does weight decay act on this parameter? On matrices and filters; not on norms, biases and places."""
    return p.dim() > 1 and name.endswith(".weight") and name != "place.weight"


def mask(tokens, codes, generator=None):
    """Hides max(1, ceil(cos(pi/2 u) N)) places of each of tokens [B,N], u uniform -> (masked tokens, bool [B,N])."""
    b, n = tokens.shape
    draw = lambda *shape: torch.rand(*shape, device=tokens.device, generator=generator)
    hidden = (torch.cos(math.pi / 2 * draw(b, 1)) * n).ceil().clamp(min=1)
    places = draw(b, n).argsort(1).argsort(1) < hidden
    return tokens.masked_fill(places, codes), places


def loss(logits, tokens, places, smoothing=0.0):
    """Mean cross-entropy, in nats, at the masked `places` [B,N] of the batch; (1 - s) of the target's, s of the mean
    over all codes. Computed in float32 at least."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    target = tokens.masked_fill(~places, -100)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100, label_smoothing=smoothing)
