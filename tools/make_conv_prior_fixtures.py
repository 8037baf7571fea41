"""Write tests/fixtures/twin/prior_conv*.safetensors, what a convolutional prior in the C core must reproduce:
python3 tools/make_conv_prior_fixtures.py

The model's weights follow from their names (tesserae/field.py). Values are computed in float64 and stored as
float32: for each grid, tokens and the number of known levels of every place go in; out come the state's sums of
codes and every head's logits at every place.
"""
import os

import torch

from make_fixtures import OUT, conv, f32, op
from tesserae import config, conv_prior, export, field, file, model

LEVELS, SIZE, DIM, BATCH = 3, 16, 4, 2
GRIDS = ((8, 8), (5, 10), (1, 3))  # the last two are padded
CONFIG = {
    "format": 1, "name": "prior_conv", "range": [-1, 1],
    "encoder": [op("unshuffle", factor=4), conv(8, 1), op("gelu"), conv(DIM, 1)],
    "decoder": [conv(8, 1), op("gelu"), conv(48, 1), op("shuffle", factor=4)],
    "quantizer": {"type": "vq", "update": "ema", "levels": LEVELS, "size": SIZE, "dim": DIM},
    "prior": {"type": "conv", "width": 8, "mid": 12, "full": [1, 2], "half": [2, 1], "quarter": 2, "levels": 2}}


@torch.no_grad()
def fill(module, prefix):
    for name, p in module.named_parameters():
        p.copy_(torch.from_numpy(field.values(prefix + name, tuple(p.shape))))


@torch.no_grad()
def tokenizer():
    """Codes uniform in [-1, 1), smaller by half from level to level; code 0 is zero from level 1 on."""
    m = model.Autoencoder(config.complete(CONFIG))
    fill(m, "")
    book = torch.from_numpy(field.noise("quantizer.codebook", LEVELS * SIZE * DIM)).reshape(LEVELS, SIZE, DIM)
    book = book * 2.0 ** -torch.arange(LEVELS)[:, None, None]
    book[1:, 0] = 0
    m.quantizer.codebook.copy_(book)
    return m


@torch.no_grad()
def values(prior, codebook, h, w):
    g = torch.Generator().manual_seed(h * w)
    tokens = torch.randint(SIZE, (LEVELS, BATCH, h, w), generator=g)
    known = torch.randint(LEVELS + 1, (BATCH, h, w), generator=g)
    p, k = conv_prior.state(tokens, known, codebook)
    features = prior(p, k)
    out = {"tokens": tokens.int(), "known": known.int(), "p": p.permute(0, 2, 3, 1), "features": features}
    out.update({"logits.%d" % l: head(features) for l, head in enumerate(prior.head)})
    return {"%dx%d.%s" % (h, w, name): t for name, t in out.items()}


def main():
    m = tokenizer()
    prior = conv_prior.ConvPrior(conv_prior.complete(CONFIG["prior"]), m.config["quantizer"])
    fill(prior, "prior.")
    prior.scale.copy_(1 + torch.from_numpy(field.values("prior.scale", (DIM,))))
    weights = {"prior." + k: v for k, v in prior.state_dict().items()}
    file.write(os.path.join(OUT, "prior_conv.safetensors"),
               {**export.model_tensors(m, sort=False), **weights}, file.meta(CONFIG))
    prior, book, out = prior.double(), m.quantizer.codebook.double(), {}
    for h, w in GRIDS:
        out.update(values(prior, book, h, w))
    file.write(os.path.join(OUT, "prior_conv_values.safetensors"), f32(out))


if __name__ == "__main__":
    main()
