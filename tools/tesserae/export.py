"""Make a model file out of a checkpoint: python3 -m tesserae.export CHECKPOINT -o MODEL.safetensors [--live]

EMA weights as float16, codebook and code lengths as float32, every level's codes in tree order, config in the metadata.
"""
import argparse

import torch

from . import config, file
from .model import Autoencoder


def load(path, live=False):
    """Checkpoint or model file -> Autoencoder in evaluation mode, with EMA weights where the file has them."""
    t, meta = file.read(path)
    m = Autoencoder(config.complete(file.config_of(meta)))
    file.load_state(m, t)
    with torch.no_grad():
        for k, p in m.named_parameters():
            if not live and "ema." + k in t:
                p.copy_(t["ema." + k])
    m.quantizer.settle()
    return m.eval()


def model_tensors(m):
    """Tensors of the model file; renumbers the codes of `m` in tree order first."""
    vq = m.config["quantizer"]["type"] == "vq"
    if vq:
        m.quantizer.sort_tree()
    out = {k: p.detach().half().contiguous() for k, p in m.named_parameters() if not k.startswith("quantizer.")}
    if vq:
        out["quantizer.codebook"] = m.quantizer.codebook.detach().float()
        out["quantizer.bits"] = m.quantizer.bits
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint")
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--live", action="store_true", help="the weights of the last step, not their moving average")
    a = p.parse_args()
    m = load(a.checkpoint, a.live)
    file.write(a.out, model_tensors(m), file.meta(m.config))


if __name__ == "__main__":
    main()
