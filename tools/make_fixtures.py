"""Write tests/fixtures/twin/*.safetensors, what the C core must reproduce: python3 tools/make_fixtures.py

Every value is computed in float64 from float32 inputs and stored as float32. Training cases are also run in float32;
a case whose two runs differ (a token near a tie, say) takes the next seed.
"""
import copy
import json
import os
import random

import numpy as np
import torch

from tesserae import config, entropy, file, gan, losses, model, quantizers
from tesserae.trainer import Trainer
from tesserae.world import World

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures", "twin")
STEPS, BATCH, SIDE = 10, 2, 32


def op(name, **more):
    return dict({"op": name}, **more)


def conv(out, kernel, **more):
    return op("conv", out=out, kernel=kernel, **more)


DOWN = {"stride": 2, "pad": 1}
SHUFFLED = {
    "encoder": [op("unshuffle", factor=2), conv(8, 3), op("res"), op("unshuffle", factor=2), conv(12, 1),
                op("res", kernels=[3, 1], hidden=8), op("silu"), conv(4, 1)],
    "decoder": [conv(12, 1), op("res", kernels=[3, 1]), op("silu"), conv(32, 1), op("shuffle", factor=2), op("res"),
                op("silu"), conv(12, 3), op("shuffle", factor=2)]}
STRIDED = {
    "encoder": [conv(8, 4, **DOWN), op("norm", groups=2), op("gelu"), conv(10, 3, **DOWN), op("res", act="leaky_relu"),
                op("tanh"), conv(4, 3, bias=False)],
    "decoder": [op("tconv", out=10, kernel=4, **DOWN), op("norm", groups=5), op("relu"), op("res", act="relu"),
                op("up", factor=2), conv(8, 3), op("leaky_relu"), conv(3, 5)]}
BLOCKS = {
    "encoder": [conv(8, 3), op("resnet", out=12, groups=4), conv(12, 3, stride=2, pad=[0, 0, 1, 1]),
                op("attention", groups=3), op("resnet", groups=4), op("norm", groups=4), op("silu"),
                conv(4, 3, stride=2, pad=[0, 0, 1, 1])],
    "decoder": [conv(12, 3), op("attention", groups=4), op("up"), op("resnet", out=8, groups=4), op("up"), conv(8, 3),
                op("norm", groups=4), op("silu"), conv(3, 3)]}
TINIES = {
    "encoder": [conv(6, 3), op("tiny"), conv(8, 3, stride=2, bias=False), op("tiny", pool=4),
                conv(8, 3, stride=2, bias=False), op("tiny", out=10), conv(4, 3)],
    "decoder": [op("soft_clamp"), conv(8, 3), op("relu"), op("tiny", pool=4), op("up"), conv(6, 3, bias=False),
                op("tiny"), op("up"), conv(3, 3)]}
PATCHES = {"encoder": [op("unshuffle", factor=4), conv(8, 1), op("gelu"), conv(4, 3)],
           "decoder": [conv(8, 3), op("gelu"), conv(48, 1), op("shuffle", factor=4)]}
VQ = {"type": "vq", "update": "ema", "levels": 1, "size": 16, "dim": 4, "decay": 0.9, "commitment": 0.25, "restart": 0}
CASES = {
    "vq_ema": (STRIDED, VQ),
    "rvq_ema": (SHUFFLED, dict(VQ, levels=3)),
    "vq_gradient": (SHUFFLED, dict(VQ, update="gradient")),
    "rvq_gradient": (STRIDED, dict(VQ, update="gradient", levels=2)),
    "fsq": (SHUFFLED, {"type": "fsq", "bins": [8, 5, 4, 3]}),
    "unit_gradient": (BLOCKS, dict(VQ, update="gradient", normalize=True)),
    "unit_ema": (PATCHES, dict(VQ, normalize=True)),
    "continuous": (TINIES, {"type": "none", "dim": 4}),
}
TRAIN = {"size": SIDE, "batch": BATCH, "steps": STEPS, "lr": 2e-3, "warmup": 3, "lr_final": 0.1, "betas": [0.9, 0.99],
         "eps": 1e-8, "weight_decay": 0.01, "clip": 0.5, "ema": 0.95, "seed": 1, "quantize_from": 0, "flip": False,
         "loss": {"l1": 1, "l2": 2, "ms_ssim": 0.5, "lpips": 0.7, "lpips_from": 0}, "lambda": [0, 0.05]}
STEADY = {"unit_gradient": {"eps": 1e-3}}  # the bias of keys has no gradient: AdamW would make steps of its rounding
LFQ = {"type": "lfq", "bits": 4, "commitment": 0.25}
GAN_CASES = {  # architecture, quantizer, losses beside TRAIN's, "train.adversarial"
    "vqgan_hinge": (PATCHES, VQ, {}, {
        "discriminator": {"layers": 2, "width": 8, "groups": 4, "scales": 2}, "loss": "hinge", "weight": 0.5,
        "balance": "layer", "ramp": 4, "lr": 1e-3, "lecam": 0.1, "lecam_decay": 0.9, "features": 2}),
    "vqgan_frozen": (STRIDED, VQ, {}, {
        "discriminator": {"layers": 2, "width": 8, "groups": 0, "scales": 1}, "loss": "nonsaturating", "weight": 0.5,
        "balance": "image", "from": 4, "freeze": True, "lr": 1e-3}),
    "vqgan_r1": (SHUFFLED, LFQ, {"entropy": 0.2, "entropy_gamma": 1.5, "temperature": 0.5}, {
        "discriminator": {"layers": 2, "width": 8, "groups": 4, "scales": 2}, "loss": "nonsaturating", "weight": 0.5,
        "balance": "none", "lr": 1e-3, "r1": 0.5, "r1_every": 2}),
}
JUDGED = ("generator", "discriminator", "features", "lecam", "r1", "real", "fake", "d_accuracy", "d_weight",
          "d_grad_norm", "entropy")
FIRES = {3: (8, 2, 4), 4: (8, 2, 4), 6: (8, 3, 6), 7: (12, 3, 6), 9: (12, 4, 8), 10: (16, 4, 8), 11: (16, 4, 8),
         12: (16, 4, 8)}  # torchvision's index: channels in, squeezed, out of each expansion
TAPS = (8, 8, 12, 16, 16, 16, 16)
OPS = {
    "conv3": (5, conv(7, 3)), "conv1": (5, conv(9, 1)), "conv5": (3, conv(4, 5)), "conv3s2": (5, conv(6, 3, **DOWN)),
    "conv4s2": (5, conv(6, 4, **DOWN)), "conv3nobias": (4, conv(4, 3, bias=False)),
    "tconv4s2": (5, op("tconv", out=6, kernel=4, **DOWN)),
    "tconv2s2": (5, op("tconv", out=3, kernel=2, stride=2, pad=0)),
    "norm": (8, op("norm", groups=2)), "norm_each": (5, op("norm", groups=5)), "up": (3, op("up", factor=2)),
    "shuffle2": (12, op("shuffle", factor=2)), "shuffle4": (32, op("shuffle", factor=4)),
    "unshuffle2": (3, op("unshuffle", factor=2)), "unshuffle4": (2, op("unshuffle", factor=4)), "silu": (3, op("silu")),
    "relu": (3, op("relu")), "leaky_relu": (3, op("leaky_relu")), "gelu": (3, op("gelu")), "tanh": (3, op("tanh")),
    "res": (6, op("res")), "res31": (6, op("res", kernels=[3, 1], hidden=4, act="gelu")),
    "conv3pads": (4, conv(5, 3, stride=2, pad=[0, 0, 1, 1])), "conv4pads": (3, conv(4, 4, pad=[2, 1, 1, 2])),
    "resnet": (6, op("resnet", out=9, groups=3)), "resnet_same": (8, op("resnet", groups=2, eps=1e-4)),
    "attention": (6, op("attention", groups=2)), "tiny": (5, op("tiny", out=7)), "tiny_same": (4, op("tiny")),
    "tiny_pool": (4, op("tiny", pool=2)), "soft_clamp": (3, op("soft_clamp", limit=1.5))}


def rounded(t):
    """The float64 tensor that a float32 file will give back."""
    return t.detach().float().double()


def f32(tensors):
    return {k: v if not v.is_floating_point() else v.detach().float() for k, v in tensors.items()}


def pictures(seed, n, side):
    """Smooth random pictures with some noise and edges: uint8 [n,side,side,3]."""
    r = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:side, 0:side] / side
    out = np.empty((n, side, side, 3))
    for i in range(n):
        for c in range(3):
            a, b, p, q = r.uniform(-6, 6, 4)
            edge = xx * np.cos(q) + yy * np.sin(q) > r.uniform(0, 0.7)
            out[i, ..., c] = np.sin(a * xx + b * yy + p) * 0.6 + 0.4 * edge
        out[i] += r.normal(0, 0.08, (side, side, 1))
    return np.clip(out * 90 + 110, 0, 255).astype(np.uint8)


def images(bytes_):
    return torch.from_numpy(bytes_.astype(np.float64)).movedim(-1, -3) / 127.5 - 1


def randomise(m, seed):
    """Every parameter random, none zero, so that every gradient matters."""
    g = torch.Generator().manual_seed(seed)
    for k, p in m.named_parameters():
        fan = p[0].numel() if p.dim() > 1 else 1
        t = torch.randn(p.shape, generator=g) * (0.8 / fan ** 0.5 if p.dim() > 1 else 0.1)
        if p.dim() == 1 and k.endswith("weight"):
            t += 1
        p.data.copy_(t.float())


def feature_net(seed):
    """A SqueezeNet 1.1 in miniature: same names and taps, a tenth of the channels."""
    g = torch.Generator().manual_seed(seed)
    rand = lambda *s: torch.randn(*s, generator=g) / max(1, s[1] * s[2] * s[3] if len(s) == 4 else 8) ** 0.5 * 1.4
    net = {"features.0.weight": rand(8, 3, 3, 3), "features.0.bias": rand(8)}
    for i, (c, s, e) in FIRES.items():
        for name, shape in (("squeeze", (s, c, 1, 1)), ("expand1x1", (e, s, 1, 1)), ("expand3x3", (e, s, 3, 3))):
            key = "features.%d.%s." % (i, name)
            net[key + "weight"], net[key + "bias"] = rand(*shape), rand(shape[0])
    heads = {"lin%d.model.1.weight" % i: torch.rand(1, c, 1, 1, generator=g) for i, c in enumerate(TAPS)}
    return net, heads


def start_codes(tr, batches, seed):
    """Codebook fitted to the first batch's latents; rounded to float32."""
    torch.manual_seed(seed)
    q = tr.model.quantizer
    if not hasattr(q, "fit"):
        return
    z = torch.cat([tr.model.encoder(b) for b in batches[:4]]).permute(0, 2, 3, 1).flatten(0, 2).detach()
    q.fit(z, 3)
    for t in (q.codebook.data, q.count, q.sum, q.bits):
        t.copy_(rounded(t))
    q.settle()


def plan(c, seed):
    """(levels, lambda) of each training step."""
    r = random.Random(seed)
    if c["quantizer"]["type"] != "vq":
        return [(None, 0.0)] * STEPS
    most = c["train"]["lambda"][1]
    lam = [0.0 if i % 3 == 0 or not most else float(np.float32(r.uniform(0.002, 0.05))) for i in range(STEPS)]
    return [(1 + i % c["quantizer"]["levels"] if i else c["quantizer"]["levels"], l) for i, l in enumerate(lam)]


def prepared(c, net, batches, seed):
    tr = Trainer(c, losses.Lpips(*net).to(torch.float64))
    tr.model.double()
    randomise(tr.model, seed)
    start_codes(tr, batches, seed)
    tr.ema = {k: v.detach().clone() for k, v in tr.params.items()}
    if tr.adversary:
        tr.adversary.net.double()
        randomise(tr.adversary.net, seed + 1000)
    return tr


def run_steps(tr, batches, steps):
    """Ten steps -> (loss per step, terms per step, tokens of all steps)."""
    total, terms, tokens = [], [], []
    for i, (levels, lam) in enumerate(steps):
        tr.progress = i / STEPS
        l, t, q = tr.step(batches[i], levels, lam)
        total.append(l), terms.append(t), tokens.append(q.tokens.flatten())
    return total, terms, torch.cat(tokens)


def as_float32(tr):
    other = copy.deepcopy(tr)
    other.model.float()
    other.params = other.model.weights()
    other.start_adam()
    other.ema = {k: v.float() for k, v in other.ema.items()}
    other.lpips.to(torch.float32)
    if other.adversary:
        other.adversary.net.float()
        other.adversary.start()
    return other


def parameters(tr):
    """Both nets': name -> parameter."""
    judges = tr.adversary.params if tr.adversary else {}
    return {**tr.params, **{"discriminator." + k: v for k, v in judges.items()}}


def written(name, arch, quantizer, more):
    """The config as the file has it: defaults are left to the reader."""
    train = {**TRAIN, **STEADY.get(name, {}), **more}
    train["loss"] = {**TRAIN["loss"], **more.get("loss", {})}
    return {"format": 1, "name": name, "range": [-1, 1], **arch, "quantizer": quantizer, "train": train}


def first_pass(tr, x, levels, lam):
    """Latent, tokens, losses and gradients of one pass; nothing moves."""
    p = tr.look(x, levels, lam)
    total, verdict = tr.backward(x, p)
    grads = {k: v.grad for k, v in parameters(tr).items() if v.grad is not None}
    norm = torch.sqrt(sum((v.grad ** 2).sum() for v in tr.params.values()))
    out = {"grad." + k: v.clone() for k, v in grads.items()}
    out.update(latent=tr.model.encoder(x), zq=p.q.z, output=tr.model.decoder(p.q.z), tokens=p.q.tokens.int())
    if not p.q.tokens.numel():
        del out["tokens"]
    values = {**p.terms, **p.q.terms, **verdict, "total": total, "grad_norm": norm}
    out.update({"loss." + k: v.reshape(1) for k, v in values.items()})
    return out


def case(name, config_, net, batches, seed):
    """All tensors of one training case, or None where float32 takes other tokens than float64."""
    tr, steps = prepared(config.complete(config_), net, batches, seed), plan(config_, seed)
    single = as_float32(tr)
    out = {"param." + k: v.detach().clone() for k, v in parameters(tr).items()}
    state = [k for k in ("codebook", "count", "sum", "bits") if hasattr(tr.model.quantizer, k)]

    def state_of(prefix):
        return {prefix + "quantizer." + k: getattr(tr.model.quantizer, k).detach().clone() for k in state}
    out.update(state_of("param."))
    out.update(first_pass(tr, batches[0], *steps[0]))
    single_total, _, single_tokens = run_steps(single, [b.float() for b in batches], steps)
    losses_, step_terms, tokens = run_steps(tr, batches, steps)
    ours, theirs = parameters(tr), parameters(single)
    worst = max(float((theirs[k] - v).abs().max()) for k, v in ours.items())
    gap = max(abs(a - b) for a, b in zip(losses_, single_total))
    print("%-13s seed %d: float32 differs by %.1e in the losses, %.1e in the weights, tokens %s"
          % (name, seed, gap, worst, "equal" if torch.equal(tokens, single_tokens) else "DIFFER"))
    if not torch.equal(tokens, single_tokens) or worst > 2e-5:
        return None
    out.update({"final." + k: v for k, v in ours.items()})
    out.update(state_of("final."))
    for k in ("count", "sum") if tr.sealed else ():  # of no use any more
        del out["final.quantizer." + k]
    if tr.adversary:
        out["final.state.adversary"] = tr.adversary.tensors(tr.sealed)["state.adversary"]
    out["train.levels"] = torch.tensor([n or 1 for n, _ in steps], dtype=torch.int32)
    out["train.lambda"] = torch.tensor([l for _, l in steps])
    out["train.loss"] = torch.tensor(losses_)
    for k in ("l1", "l2", "ms_ssim", "lpips") + (JUDGED if tr.adversary else ()):
        if any(k in t for t in step_terms):
            out["train." + k] = torch.tensor([t.get(k, float("nan")) for t in step_terms])
    return {k: v.contiguous() for k, v in f32(out).items()}, file.meta(config_)


def ops():
    """Each layer op alone: x, y, a random dy, and the gradients of sum(y dy)."""
    out = {}
    for n, (name, (channels, spec)) in enumerate(OPS.items()):
        g = torch.Generator().manual_seed(100 + n)
        m, _ = model.layer(spec, channels)
        m = m.double()
        randomise(m, 200 + n)
        x = rounded(torch.randn(1, channels, 4, 8, generator=g)).requires_grad_()
        y = m(x)
        dy = rounded(torch.randn(y.shape, generator=g))
        y.backward(dy)
        out.update({name + ".x": x, name + ".y": y, name + ".dy": dy, name + ".dx": x.grad})
        for k, p in m.named_parameters():
            out.update({"%s.%s" % (name, k): p, "%s.d%s" % (name, k): p.grad})
    return f32(out), {"ops": json.dumps({k: {"channels": c, "layers": [s]} for k, (c, s) in OPS.items()})}


def gan_values():
    """Values of the adversarial losses and the entropy losses, gradients, a mean pool, and lookup-free codes."""
    g, out = torch.Generator().manual_seed(77), {}
    draw = lambda *shape: rounded(torch.randn(*shape, generator=g) * 1.5)

    def put(name, value, *at):
        out[name] = value.reshape(-1)
        for key, t in at:
            out["%s.%s" % (name, key)] = torch.autograd.grad(value, t, retain_graph=True)[0]
    t, u = draw(23).requires_grad_(), draw(23).requires_grad_()
    out.update({"logits": t, "logits.fake": u, "anchors": torch.tensor([0.25, -0.5])})
    for kind in ("hinge", "nonsaturating"):
        for side in (gan.real, gan.fake, gan.generator):
            put("%s.%s" % (kind, side.__name__), side(kind, t), ("grad", t))
    put("lecam", gan.lecam(t, u, *out["anchors"].tolist()), ("grad", t), ("grad.fake", u))
    weights = {"temperature": 0.5, "entropy_gamma": 1.25}
    z, book = draw(29, 4).requires_grad_(), draw(11, 4).requires_grad_()
    out.update({"z": z, "book": book, "weights": torch.tensor([0.5, 1.25])})
    put("entropy.codes", entropy.codes(z, book, weights, World()), ("dz", z), ("dbook", book))
    put("entropy.bits", entropy.bits(z, 0.5, weights, World()), ("dz", z))
    q = quantizers.Lfq({"bits": 4, "commitment": 1.0}, {"entropy": 0})(z.t().reshape(1, 4, 29, 1))
    out.update({"lfq.zq": q.z[0, :, :, 0].t(), "lfq.tokens": q.tokens.flatten().int()})
    put("lfq.commitment", q.loss, ("dz", z))
    x = draw(2, 3, 8, 12).requires_grad_()
    y, dy = torch.nn.functional.avg_pool2d(x, 2), draw(2, 3, 4, 6)
    out.update({"pool.x": x, "pool.y": y, "pool.dy": dy, "pool.dx": torch.autograd.grad(y, x, dy)[0]})
    return {k: v.contiguous() for k, v in f32(out).items()}, {}


def loss_values(net):
    """Values and gradients (to y) of each loss at several sizes; x is the reference. Images as bytes."""
    lpips, out = losses.Lpips(*net).to(torch.float64), {}
    for h, w in ((11, 16), (33, 47), (161, 162)):
        a = pictures(h, 1, max(h, w))[:, :h, :w]
        b = np.clip(a + np.random.default_rng(w).normal(0, 9, a.shape), 0, 255).astype(np.uint8)
        x, y = images(a), images(b).requires_grad_()
        key = "%dx%d." % (h, w)
        out.update({key + "x": torch.from_numpy(a), key + "y": torch.from_numpy(b)})
        values = {"l1": (x - y).abs().mean(), "l2": (x - y).square().mean(), "ms_ssim": losses.ms_ssim(x, y)}
        if min(h, w) >= 32:
            values["lpips"] = lpips(x, y)
        for k, v in values.items():
            out[key + k] = v.reshape(1)
            if h < 100 and k in ("ms_ssim", "lpips"):
                out[key + k + ".grad"] = torch.autograd.grad(v, y, retain_graph=True)[0]
    return f32(out), {}


def main():
    os.makedirs(OUT, exist_ok=True)
    put = lambda name, tensors, meta=None: file.write(os.path.join(OUT, name + ".safetensors"), tensors, meta)
    net = feature_net(7)
    put("squeezenet", net[0])
    put("lpips", net[1])
    raw = np.stack([pictures(40 + i, BATCH, SIDE) for i in range(STEPS)])
    put("batches", {"batches": torch.from_numpy(raw)})
    batches = list(images(raw))
    cases = {name: written(name, arch, q, {}) for name, (arch, q) in CASES.items()}
    for name, (arch, q, loss, adversarial) in GAN_CASES.items():
        more = {"loss": loss, "adversarial": adversarial}
        cases[name] = written(name, arch, q, dict(more, **{"lambda": [0, 0]}) if adversarial.get("freeze") else more)
    for name, config_ in cases.items():
        for seed in range(1, 40):
            made = case(name, config_, net, batches, seed)
            if made:
                put(name, *made)
                break
        else:
            raise SystemExit("no seed gives a well-conditioned " + name)
    put("ops", *ops())
    put("losses", *loss_values(net))
    put("gan", *gan_values())


if __name__ == "__main__":
    main()
