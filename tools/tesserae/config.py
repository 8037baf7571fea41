"""The JSON config shared by C, Python and JavaScript (ARCHITECTURE.md, "Config")."""
import json

QUANTIZER = {"type": "vq", "update": "ema", "levels": 1, "size": 1024, "dim": 16, "decay": 0.99, "commitment": 0.25,
             "restart": 0.02}
TRAIN = {"size": 128, "batch": 16, "steps": 20000, "lr": 4e-4, "warmup": 200, "lr_final": 0.02, "betas": [0.9, 0.99],
         "eps": 1e-8, "weight_decay": 0, "clip": 1.0, "ema": 0.999, "seed": 1, "quantize_from": 150, "flip": True}
LOSS = {"l1": 1.0, "l2": 2.0, "ms_ssim": 0.0, "lpips": 0.0, "lpips_from": 400}


def load(path):
    """Read a config file and fill in the defaults; raises ValueError on a wrong format number."""
    with open(path, encoding="utf-8") as f:
        return complete(json.load(f))


def complete(c):
    """A copy of config `c` with every default of quantizer and train present."""
    if c.get("format") != 1:
        raise ValueError("config format %r is not known (expected 1)" % c.get("format"))
    c = dict(c)
    c["quantizer"] = dict(QUANTIZER, **c["quantizer"]) if c["quantizer"]["type"] == "vq" else dict(c["quantizer"])
    c["train"] = dict(TRAIN, **c.get("train", {}))
    c["train"]["loss"] = dict(LOSS, **c["train"].get("loss", {}))
    return c


def latent_dim(c):
    """Channels of the latent that the quantizer takes."""
    q = c["quantizer"]
    return len(q["bins"]) if q["type"] == "fsq" else q["dim"]


def geometry(layers):
    """Size multiple of an encoder: the product of its strides and unshuffles."""
    f = 1
    for l in layers:
        f *= l.get("stride", 1) if l["op"] == "conv" else l.get("factor", 1) if l["op"] == "unshuffle" else 1
    return f
