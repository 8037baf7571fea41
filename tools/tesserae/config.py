"""The JSON config shared by C, Python and JavaScript (ARCHITECTURE.md, "Config")."""
import json

VQ = {"type": "vq", "update": "ema", "levels": 1, "size": 1024, "dim": 16, "decay": 0.99, "commitment": 0.25,
      "restart": 0.02, "normalize": False}
LFQ = {"type": "lfq", "bits": 8, "commitment": 0.25}
TRAIN = {"size": 128, "batch": 16, "steps": 20000, "lr": 4e-4, "warmup": 200, "lr_final": 0.02, "betas": [0.9, 0.99],
         "eps": 1e-8, "weight_decay": 0, "clip": 1.0, "ema": 0.999, "seed": 1, "quantize_from": 150, "flip": True}
LOSS = {"l1": 1.0, "l2": 2.0, "ms_ssim": 0.0, "lpips": 0.0, "lpips_from": 400, "entropy": 0.0, "entropy_gamma": 1.0,
        "temperature": 0.01}
ADVERSARIAL = {"loss": "hinge", "weight": 0.1, "balance": "layer", "limit": 10000, "from": 0, "ramp": 0,
               "freeze": False, "lr": 2e-4, "betas": [0.5, 0.9], "r1": 0.0, "r1_every": 16, "lecam": 0.0,
               "lecam_decay": 0.99, "features": 0.0, "gate": 1.0}
DISCRIMINATOR = {"layers": 3, "width": 16, "groups": 8, "scales": 1}


def load(path):
    """Read a config file and fill in the defaults; raises ValueError on what `complete` refuses."""
    with open(path, encoding="utf-8") as f:
        return complete(json.load(f))


def section(given, defaults, path, also=()):
    """`defaults` overlaid with `given`; raises ValueError on a key that is neither there nor in `also`."""
    for k in given:
        if k not in defaults and k not in also:
            raise ValueError("Config: %s.%s is not known" % (path, k))
    return dict(defaults, **given)


def demand(ok, path, sentence):
    if not ok:
        raise ValueError("Config: %s %s" % (path, sentence))


def complete(c):
    """A copy of config `c` with every default of quantizer and train present; an adversary only where `c` has one.
    Raises ValueError on a wrong format number, an unknown key of these sections, or an adversary out of range."""
    if c.get("format") != 1:
        raise ValueError("config format %r is not known (expected 1)" % c.get("format"))
    c = dict(c)
    q = c["quantizer"]
    if q["type"] in ("vq", "lfq"):
        c["quantizer"] = section(q, VQ if q["type"] == "vq" else LFQ, "quantizer")
    t = c["train"] = section(c.get("train", {}), TRAIN, "train",
                               ("loss", "level_weights", "lambda", "adversarial", "prior"))
    t["loss"] = section(t.get("loss", {}), LOSS, "train.loss")
    if "adversarial" in t:
        t["adversarial"] = adversarial(t["adversarial"])
    return c


def adversarial(given):
    """"train.adversarial" with its defaults, checked as src/nets/config_train.c does."""
    path = "train.adversarial"
    a = section(given, ADVERSARIAL, path, ("discriminator",))
    d = a["discriminator"] = section(a.get("discriminator", {}), DISCRIMINATOR, path + ".discriminator")
    demand(a["loss"] in ("hinge", "nonsaturating"), path + ".loss", "must be hinge or nonsaturating")
    demand(a["balance"] in ("layer", "image", "none"), path + ".balance", "must be layer, image or none")
    demand(a["r1_every"] >= 1, path + ".r1_every", "must be 1 at least")
    for key, low, high in (("layers", 2, 4), ("width", 8, 512), ("groups", 0, 512), ("scales", 1, 3)):
        demand(low <= d[key] <= high, path + ".discriminator." + key, "must be %d to %d" % (low, high))
    demand(not d["groups"] or d["width"] % d["groups"] == 0, path + ".discriminator.groups", "must divide the width")
    return a


def latent_dim(c):
    """Channels of the latent that the quantizer takes."""
    q = c["quantizer"]
    return len(q["bins"]) if q["type"] == "fsq" else q["bits"] if q["type"] == "lfq" else q["dim"]


def geometry(layers):
    """Size multiple of an encoder: the product of its strides and unshuffles."""
    f = 1
    for l in layers:
        f *= l.get("stride", 1) if l["op"] == "conv" else l.get("factor", 1) if l["op"] == "unshuffle" else 1
    return f
