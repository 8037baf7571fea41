"""Tokens of a folder's pictures for train_conv_prior.py: python3 tools/make_tokens.py MODEL FOLDER OUT

Four copies of every picture: as it is; mirrored and shifted; and both of these at .7 of the size and shifted
otherwise; each by nearest codes and with a lambda. OUT gets shards that a running training takes in as they come.
"""
import argparse
import glob
import os

import torch

from tesserae import export, token_store

COPIES = ((1, False), (1, True), (0.7, False), (0.7, True))


def ladder(quantizer, place):
    """Lambda at a place of the model's ladder (src/engine/ladder.c); place 1 is about .1 bpp."""
    share = torch.exp2(-quantizer.bits)
    share = share / share.sum(1, keepdim=True)
    rate = (share * quantizer.bits).sum(1).clamp(min=1)
    return float(((share * quantizer.codebook.square().sum(2)).sum(1) / rate)[place])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("folder")
    p.add_argument("out")
    p.add_argument("--parts", type=int, default=4, help="shards of each copy")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    model = export.load(a.model)
    files = [f for f in sorted(glob.glob(os.path.join(a.folder, "*"))) if f.lower().endswith((".jpg", ".jpeg", ".png"))]
    most = ladder(model.quantizer, 1)
    os.makedirs(a.out, exist_ok=True)
    for i, (scale, flip) in enumerate(COPIES):
        for part in range(a.parts):
            name = os.path.join(a.out, "copy%d.%d" % (i, part))
            if not os.path.exists(name + ".1.json"):
                token_store.make(model, files[part::a.parts], name, scale, flip, most, i * a.parts + part if i else 0)
                print(name, flush=True)


if __name__ == "__main__":
    main()
