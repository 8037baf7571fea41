"""Make a model file out of a checkpoint: python3 -m tesserae.export CHECKPOINT -o MODEL.safetensors [--live]

EMA weights as float16, codebook and code lengths as float32, every level's codes in tree order, config in the metadata.
A checkpoint of a frozen phase keeps its codes' order and the entropy tables it started from: files stay readable.
"""
import argparse

import torch

from . import config, conv_prior, file, prior as priors
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


def sealed(tensors):
    """Is this the checkpoint of a phase with frozen codes?"""
    return "state.adversary_steps" in tensors and bool(tensors["state.adversary_steps"][1])


def model_tensors(m, sort=True):
    """Tensors of the model file; renumbers the codes of `m` in tree order first, unless sort is False."""
    vq = m.config["quantizer"]["type"] == "vq"
    if vq and sort:
        m.quantizer.sort_tree()
    out = {k: p.detach().half().contiguous() for k, p in m.named_parameters() if not k.startswith("quantizer.")}
    if vq:
        out["quantizer.codebook"] = m.quantizer.codebook.detach().float()
        out["quantizer.bits"] = m.quantizer.bits
    return out


def with_prior(path, out, prior, train):
    """Writes to `out` the tokenizer's model file `path`, every tensor as it is, with `prior` (float16) and
    "train.prior". Raises ValueError for a checkpoint."""
    t, meta = file.read(path)
    if "state.step" in t:
        raise ValueError("%s is a checkpoint: export it, so that the codes have their final order" % path)
    c = file.config_of(meta)
    c["prior"], c["train"] = prior.config, dict(c.get("train", {}), prior=train)
    t = {k: v for k, v in t.items() if not k.startswith("prior.")}
    t.update({"prior." + k: p.detach().half().cpu() for k, p in prior.named_parameters()})
    file.write(out, t, {**meta, **file.meta(c)})


def part(out, fingerprint, kind, net):
    """Writes `net`, a part of the model with that fingerprint (16 hexadecimal digits; `tesserae info` tells it), to
    `out`: matrices and filters as float16, vectors as float32. kind: "prior", the config's key and the tensors'
    prefix."""
    t = {kind + "." + k: v.detach().half() if v.dim() > 1 else v.detach() for k, v in net.state_dict().items()}
    file.write(out, t, file.meta({"format": 1, "part_of": fingerprint, kind: net.config}))


@torch.no_grad()
def load_conv_prior(path, quantizer):
    """The convolutional prior of a part or model file, in evaluation mode; quantizer: the model's completed section."""
    t, meta = file.read(path)
    prior = conv_prior.ConvPrior(conv_prior.complete(file.config_of(meta)["prior"]), quantizer)
    prior.load_state_dict({k[len("prior."):]: v.float() for k, v in t.items() if k.startswith("prior.")})
    return prior.eval()


@torch.no_grad()
def load_prior(path):
    """The prior of a model file, in evaluation mode; raises ValueError where it has none."""
    t, meta = file.read(path)
    c = file.config_of(meta)
    if "prior" not in c:
        raise ValueError("%s has no prior" % path)
    prior = priors.Prior(priors.complete(c["prior"]), priors.codes(config.complete(c)["quantizer"]))
    for k, p in prior.named_parameters():
        p.copy_(t["prior." + k])
    return prior.eval()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint")
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--live", action="store_true", help="the weights of the last step, not their moving average")
    a = p.parse_args()
    m, kept = load(a.checkpoint, a.live), file.read(a.checkpoint)[0]
    out = model_tensors(m, not sealed(kept))
    if sealed(kept):
        out.update({k: v for k, v in kept.items() if k.startswith("entropy.")})
    file.write(a.out, out, file.meta(m.config))


if __name__ == "__main__":
    main()
