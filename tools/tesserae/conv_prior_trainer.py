"""The training of a convolutional prior. Each sample asks for one level at its masked places, which know the levels
below; the rest of the picture knows all levels, or one more than the masked places, as they do while a picture is
sampled."""
import math

import torch
import torch.nn.functional as F

from . import config, conv_prior, masks
from .prior_trainer import PriorTrainer

TRAIN = {"side": 32, "batch": 16, "steps": 12000, "lr": 1e-3, "warmup": 200, "lr_final": 0.03, "betas": [0.9, 0.98],
         "weight_decay": 0.02, "clip": 1, "ema": 0.999, "seed": 1, "level_weights": [4, 3, 2, 1, 1, 1]}


def complete(given):
    """"train.prior" with its defaults; raises ValueError on an unknown key."""
    return config.section(given, TRAIN, "train.prior")


def draw(n, h, w, levels, all_levels, weights, generator=None):
    """-> (level int64 [n], masked bool [n,h,w], known int64 [n,h,w]). Half the masks are scattered places, half shapes,
    of which half have places inside that are settled already."""
    rand = lambda *shape: torch.rand(*shape, generator=generator)
    level = torch.multinomial(torch.tensor(weights[:levels], dtype=torch.float), n, True, generator=generator)
    masked = masks.scattered(n, h, w, generator)
    drawn = rand(n, 1, 1) < 0.5
    part = rand(n, 1, 1) < 0.5
    area = masks.shapes(n, h, w, generator=generator)
    known = torch.where(rand(n, 1, 1) < 0.5, all_levels, level[:, None, None] + 1).expand(n, h, w)
    within = torch.where(part, masked & area, area)
    within = torch.where(within.flatten(1).any(1)[:, None, None], within, area)
    known = torch.where(drawn & area, level[:, None, None] + 1, known)
    masked = torch.where(drawn, within, masked)
    return level, masked, torch.where(masked, level[:, None, None], known)


def row_losses(prior, tokens, level, masked, known, codebook):
    """-> list of (level, cross-entropy in nats per masked place [rows]). tokens int64 [L,B,h,w]."""
    features, out = prior(*conv_prior.state(tokens, known, codebook)), []
    for l in level.unique().tolist():
        rows = masked & (level == l)[:, None, None]
        out.append((l, F.cross_entropy(prior.head[l](features[rows]).float(), tokens[l][rows], reduction="none")))
    return out


class ConvPriorTrainer(PriorTrainer):
    """codebook: the tokenizer's, [L,K,D]."""

    def __init__(self, prior, t, codebook):
        super().__init__(prior, t)
        self.codebook = codebook

    def step(self, tokens):
        """One step on tokens [L,B,h,w] -> (loss in nats, norm of the gradient before clipping)."""
        n, h, w = tokens.shape[1:]
        drawn = draw(n, h, w, len(self.prior.head), len(tokens), self.t["level_weights"])
        self.net.train()
        with torch.autocast("cuda" if self.cuda else "cpu", torch.bfloat16):
            rows = row_losses(self.net, tokens, *drawn, self.codebook)
        return self.learn(torch.cat([loss for _, loss in rows]).mean())

    def tensors(self):
        return {**super().tensors(), "prior.scale": self.prior.scale}

    @torch.no_grad()
    def restore(self, t):
        super().restore(t)
        self.prior.scale.copy_(t["prior.scale"])
        self.average.scale.copy_(t["prior.scale"])


@torch.no_grad()
def start(prior, quantizer, tokens):
    """A fresh prior's scale and heads from tokens [L,B,h,w] and the quantizer's code lengths."""
    z = quantizer.lookup(tokens)
    prior.scale.copy_(z.permute(0, 2, 3, 1).flatten(0, 2).std(0))
    for head, bits in zip(prior.head, quantizer.bits):
        head.bias.copy_(-math.log(2) * bits)
        head.weight.mul_(0.5)


@torch.no_grad()
def bits(prior, pictures, codebook, shaped, seed=1):
    """Bits per masked place of each level: pictures = list of tokens [L,1,h,w]; masks scattered, or shapes of 5 to
    25 %; the same every time; all levels are known elsewhere."""
    g, out = torch.Generator().manual_seed(seed), []
    prior.eval()
    for l in range(len(prior.head)):
        total = count = 0.0
        for tokens in pictures:
            size = tokens.shape[1:]
            masked = masks.shapes(*size, 0.05, 0.25, g) if shaped else masks.scattered(*size, g)
            known = torch.where(masked, l, len(tokens))
            loss, = row_losses(prior, tokens, torch.tensor([l]), masked, known, codebook)
            total, count = total + float(loss[1].sum()), count + loss[1].numel()
        out.append(total / count / math.log(2))
    return out
