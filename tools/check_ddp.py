"""Does a run dealt to two processes make the same model as the run of one? python3 tools/check_ddp.py [PROCESSES]

Trains small nets on made-up pictures in float64, alone and over gloo, and compares every figure of every step, all
weights, moments and codes in the end. Exits with 1 where they differ by more than rounding.
"""
import os
import socket
import sys
import tempfile

import numpy as np
import torch
import torch.multiprocessing as processes
from PIL import Image

from tesserae import checkpoint, config, data
from tesserae.trainer import Trainer
from tesserae.world import World

STEPS, BATCH, SIDE, LIMIT = 12, 4, 32, 1e-8
NETS = {
    "encoder": [{"op": "unshuffle", "factor": 4}, {"op": "conv", "out": 16, "kernel": 3}, {"op": "norm", "groups": 4},
                {"op": "silu"}, {"op": "conv", "out": 6, "kernel": 1}],
    "decoder": [{"op": "conv", "out": 16, "kernel": 3}, {"op": "res"}, {"op": "silu"},
                {"op": "conv", "out": 48, "kernel": 1}, {"op": "shuffle", "factor": 4}]}
TRAIN = {"size": SIDE, "batch": BATCH, "steps": STEPS, "lr": 2e-3, "warmup": 2, "quantize_from": 2, "ema": 0.9,
         "lambda": [0, 0.02], "loss": {"l1": 1, "l2": 2, "ms_ssim": 0.5, "entropy": 0.1, "temperature": 0.5}}
VQ = {"type": "vq", "size": 96, "dim": 6, "decay": 0.5, "restart": 2}
PATCH = {"layers": 2, "width": 8, "groups": 4, "scales": 2}
CASES = {
    "residual codes by EMA, hinge, layer balance, R1, LeCam, features":
        (dict(VQ, levels=2), {"discriminator": PATCH, "from": 3, "ramp": 3, "r1": 1, "r1_every": 2, "lecam": 0.1,
                              "features": 1}),
    "codes by gradient, non-saturating, image balance, frozen":
        (dict(VQ, update="gradient", normalize=True), {"discriminator": dict(PATCH, groups=0, scales=1), "from": 6,
                                                       "loss": "nonsaturating", "balance": "image", "freeze": True}),
    "lookup-free codes, hinge, no balance, gate":
        ({"type": "lfq", "bits": 6}, {"discriminator": PATCH, "balance": "none", "gate": 0.52, "lr": 1e-2}),
}


def pictures(folder):
    r, (yy, xx) = np.random.default_rng(1), np.mgrid[0:48, 0:56] / 48
    for i in range(5):
        a, b, c = r.uniform(-7, 7, (3, 3))
        wave = np.sin(xx[..., None] * a + yy[..., None] * b + c) + (xx > yy)[..., None] * r.uniform(-1, 1, 3)
        Image.fromarray(np.clip(wave * 70 + 120 + r.normal(0, 8, wave.shape), 0, 255).astype(np.uint8)).save(
            os.path.join(folder, "%d.png" % i))


def train(c, folder, world):
    """-> (figures of each step, tensors of the checkpoint)."""
    tr = Trainer(c, None, world)
    tr.model.double()
    tr.adversary.net.double()
    tr.ema = {k: v.detach().clone() for k, v in tr.params.items()}
    crops, figures = data.Crops([folder], SIDE, True, 3), []
    batch = lambda: crops.batch(BATCH, world.rank, world.size).double()
    for step in range(STEPS):
        tr.progress = step / STEPS
        if step == c["train"]["quantize_from"]:
            tr.start_quantizer([batch() for _ in range(6)])
        levels, lam = tr.draw()
        total, terms, _ = tr.step(batch(), levels, lam)
        figures.append({"total": total, **terms})
    return figures, {k: v.detach().clone() for k, v in checkpoint.tensors(tr).items()}


def work(rank, size, port, c, folder, out):
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    world = World.join("cpu")
    result = train(c, folder, world)
    torch.save(result, "%s.%d" % (out, rank))
    world.leave()


def together(size, c, folder):
    """The results of every process."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    out = os.path.join(folder, "result")
    processes.spawn(work, (size, port, c, folder, out), size)
    return [torch.load("%s.%d" % (out, rank)) for rank in range(size)]


def difference(a, b):
    """Largest difference of two results, relative to the size of what is compared."""
    worst = 0.0
    for x, y in zip(a[0], b[0]):
        assert x.keys() == y.keys()
        worst = max([worst] + [abs(x[k] - y[k]) / max(1e-3, abs(x[k])) for k in x])
    assert a[1].keys() == b[1].keys()
    for k, x in a[1].items():
        x, y = x.double(), b[1][k].double()
        worst = max(worst, float((x - y).abs().max() / x.abs().max().clamp(min=1e-6)))
    return worst


def main():
    size, failed = int(sys.argv[1]) if len(sys.argv) > 1 else 2, False
    if BATCH % size:
        raise SystemExit("a batch of %d cannot be dealt to %d processes" % (BATCH, size))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pictures(folder)
        for name, (quantizer, adversarial) in CASES.items():
            c = config.complete({"format": 1, "range": [-1, 1], **NETS, "quantizer": quantizer,
                                 "train": dict(TRAIN, adversarial=adversarial)})
            alone, many = train(c, folder, World()), together(size, c, folder)
            apart, among = difference(alone, many[0]), max(difference(many[0], m) for m in many)
            failed |= not apart < LIMIT or among > 0
            print("%s: loss %.6f -> %.6f; %d processes against one %.1e, among themselves %.1e"
                  % (name, alone[0][0]["total"], alone[0][-1]["total"], size, apart, among), flush=True)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
