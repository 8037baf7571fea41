"""Write what import must reproduce: python3 tools/make_import_fixtures.py

tests/fixtures/import/keys.txt: names and shapes of taming f16, diffusers VQModel and LlamaGen VQ-16, full size.
tests/fixtures/import/{case}.txt: names and shapes of a checkpoint whose values come from tools/tesserae/field.py's formula
(tests/engine/field.c makes it again); {case}.safetensors: a picture, the tokens or latents it becomes, and the picture they
decode to, from float64 PyTorch.
tests/fuzz/corpus/torch/*: small files by torch.save.
"""
import collections
import io
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import torch

from tesserae import field, file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests")
FIXTURES, CORPUS = os.path.join(ROOT, "fixtures", "import"), os.path.join(ROOT, "fuzz", "corpus", "torch")
SMALL = {"ch": 32, "z": 16, "dim": 16, "size": 64}
MARGIN = 1e-3  # of the best distance to the second best, so that no rounding changes a token


def same(name):
    return name


def case(make, side, rename=same, shape=lambda name, s: s, half=False, extra=()):
    """`rename`, `shape`: name and shape in the file; `extra`: tensors there that import must pass over."""
    return {"make": make, "side": side, "rename": rename, "shape": shape, "half": half, "extra": extra}


def diffusers(levels, **more):
    return dict(rename=lambda n: field.diffusers_name(n, levels, **more), shape=field.diffusers_shape)


CASES = {
    "taming": case(lambda: field.VQGAN(mult=(1, 2, 2), blocks=1, attention=(2,), **SMALL), 32,
                   extra=[("loss.discriminator.main.0.weight", [4, 3, 4, 4]), ("loss.logvar", [])]),
    "ldm_f4": case(lambda: field.VQGAN(ch=32, mult=(1, 2, 1), blocks=2, attention=(), z=3, dim=3, size=64), 24, half=True),
    "ldm_noattn": case(lambda: field.VQGAN(ch=32, mult=(1, 2), blocks=1, attention=(), z=4, dim=4, size=64, middle=False),
                       16, rename=lambda n: "first_stage_model." + n,
                       extra=[("model.diffusion_model.out.0.weight", [8]), ("model_ema.decay", [])]),
    "llamagen": case(lambda: field.VQGAN("llamagen", ch=32, mult=(1, 1, 2), blocks=2, attention=(2,), z=32, dim=8, size=64),
                     32, extra=[("quantize.codebook_used", [128])]),
    "diffusers": case(lambda: field.VQGAN(mult=(1, 2, 2), blocks=1, attention=(2,), **SMALL), 32, **diffusers(3)),
    "diffusers_old": case(lambda: field.VQGAN(mult=(1, 1), blocks=1, attention=(0, 1), **SMALL), 16,
                          **diffusers(2, older=True)),
    "tiny": case(lambda: field.Tiny(4, 16), 32),
    "tiny_diffusers": case(lambda: field.Tiny(16, 16), 32, rename=field.tiny_diffusers_name),
    "tiny_pool": case(lambda: field.Tiny(8, 16, pool=True), 32, half=True),
}
FULL = {"taming_f16": case(field.VQGAN, 48, half=True)}


def picture(seed, side):
    """A smooth picture with an edge and noise: uint8 [side][side][3]."""
    r = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:side, 0:side] / side
    out = np.empty((side, side, 3))
    for c in range(3):
        a = r.uniform(1, 6, 4)
        out[..., c] = 128 + 60 * np.sin(a[0] * xx + a[1] * yy + a[2]) + 40 * (xx * a[3] / 3 > yy) + r.normal(0, 6, xx.shape)
    return out.clip(0, 255).astype(np.uint8)


def to_bytes(pixels, low, high):
    return ((pixels.clamp(low, high) - low) * (255 / (high - low))).round().to(torch.uint8)[0].permute(1, 2, 0)


@torch.no_grad()
def run_vqgan(m, side, slow):
    for seed in range(100):
        image = picture(seed, side)
        x = torch.from_numpy(image).permute(2, 0, 1)[None].to(next(m.parameters()).dtype) / 127.5 - 1
        near = m.distances(m.latents(x)).sort(-1)
        margin = ((near.values[..., 1] - near.values[..., 0]) / near.values[..., 0]).min()
        if margin > MARGIN * (0.02 if slow else 1):
            break
    else:
        raise SystemExit("no picture without a near tie")
    tokens = near.indices[..., 0]
    y = m.decode(tokens)
    print("  seed %d, margin %.2g, output %.2f..%.2f, %d codes" % (seed, margin, y.min(), y.max(), len(tokens.unique())))
    return {"image": torch.from_numpy(image), "tokens": tokens[0].int(), "output": to_bytes(y, -1, 1)}


@torch.no_grad()
def run_tiny(m, side):
    image = picture(1, side)
    z = m.encoder(torch.from_numpy(image).permute(2, 0, 1)[None].to(next(m.parameters()).dtype) / 255)
    y = m.decoder(z)
    print("  latents %.2f..%.2f, output %.2f..%.2f" % (z.min(), z.max(), y.min(), y.max()))
    return {"image": torch.from_numpy(image), "latents": z[0].permute(1, 2, 0).float().contiguous(), "output": to_bytes(y, 0, 1)}


def shape_text(shape):
    return "[%s]" % ", ".join(map(str, shape))


def write_case(name, c, slow=False):
    """{name}.txt: the dtype, then a line of name and shape for each tensor."""
    print(name)
    m = c["make"]()
    lines, values = [], {}
    for own, t in m.state_dict().items():
        foreign = c["rename"](own)
        shape = c["shape"](foreign, tuple(t.shape))
        v = field.values(foreign, shape)
        values[own] = torch.from_numpy(v.astype(np.float16) if c["half"] else v).reshape(t.shape)
        lines.append("%s %s" % (foreign, shape_text(shape)))
    lines += ["%s %s" % (n, shape_text(s)) for n, s in c["extra"]]
    m.load_state_dict(values)
    m = m.float() if slow else m.double()
    out = run_vqgan(m, c["side"], slow) if isinstance(m, field.VQGAN) else run_tiny(m, c["side"])
    file.write(os.path.join(FIXTURES, name + ".safetensors"), out)
    if not slow:
        with open(os.path.join(FIXTURES, name + ".txt"), "w") as f:
            f.write("\n".join(["F16" if c["half"] else "F32"] + lines) + "\n")


def write_keys():
    """Full-size names and shapes of the three schemes, side by side."""
    taming, llamagen = field.VQGAN().state_dict(), field.VQGAN("llamagen", size=16384, dim=8).state_dict()
    rows = ["taming | diffusers | llamagen"]
    for (a, s), (b, t) in zip(taming.items(), llamagen.items()):
        d = field.diffusers_name(a, 5)
        rows.append(" | ".join("%s %s" % (n, shape_text(x)) for n, x in
                               ((a, s.shape), (d, field.diffusers_shape(d, tuple(s.shape))), (b, t.shape))))
    with open(os.path.join(FIXTURES, "keys.txt"), "w") as f:
        f.write("\n".join(rows) + "\n")


# ---- torch.save -----------------------------------------------------------------------------------------------------------

def save(name, value, **more):
    torch.save(value, os.path.join(CORPUS, name), **more)


def callback():
    """A class as Lightning's checkpoints name one."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    made = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = made
    sys.modules.update({"pytorch_lightning": types.ModuleType("pytorch_lightning"), "pytorch_lightning.callbacks":
                        types.ModuleType("pytorch_lightning.callbacks"), module.__name__: module})
    return made


def write_corpus():
    base = torch.arange(12).float() / 4 - 1
    dtypes = {str(d).split(".")[1]: torch.tensor([0, 1, 2, 100]).to(d) for d in
              (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)}
    save("plain.pt", {"matrix": base.reshape(3, 4), "turned": base.reshape(3, 4).t(), "slice": base[4:8],
                      "every": base.reshape(3, 4)[:, 1:3], "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
                      "flags": torch.tensor([True, False]), "weight": torch.nn.Parameter(base[:2].half()), **dtypes})
    state = collections.OrderedDict(a=torch.ones(2, 2), b=torch.zeros(3))
    state._metadata = {"": {"version": 1}}
    lightning = {"epoch": 3, "global_step": 1 << 40, "pytorch-lightning_version": "1.0.8", "state_dict": state,
                 "callbacks": {callback(): {"monitor": "val/rec_loss", "best": torch.tensor(0.25), "path": None}},
                 "optimizer_states": [{"state": {0: {"step": 5, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}],
                 "hyper_parameters": {"embed_dim": 4, "mult": [1, 2], "tuple": (1.5, "x", b"bytes"), "set": {1}}}
    save("lightning.ckpt", lightning)
    save("protocol4.pt", {"model": dict(state), "args": {"text": "t" * 300}, "steps": 10}, pickle_protocol=4)
    save("legacy.pt", dict(state), _use_new_zipfile_serialization=False)
    save("expanded.pt", {"a": torch.ones(1).expand(1000)})
    save("list.pt", [torch.ones(2)])
    plain = io.BytesIO()
    torch.save(dict(state), plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(os.path.join(CORPUS, "deflated.pt"), "w") as new:
        for entry in old.namelist():
            new.writestr(zipfile.ZipInfo(entry), old.read(entry), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(os.path.join(CORPUS, "evil.pt"), "w") as z:
        z.writestr(zipfile.ZipInfo("evil/data.pkl"), pickle.dumps({"a": 1}, 2)[:-1] + b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.")


def main():
    for folder in (FIXTURES, CORPUS):
        os.makedirs(folder, exist_ok=True)
    write_corpus()
    write_keys()
    for name, c in CASES.items():
        write_case(name, c)
    for name, c in FULL.items():
        write_case(name, c, slow=True)


if __name__ == "__main__":
    main()
