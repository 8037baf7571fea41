"""Train the predictor of one level: python3 tools/train_predictor.py MODEL LEVEL FILES.npz... -o OUT [--held HELD.npz]

FILES hold token grids [levels, rows, columns] of training pictures, as `--tokens` collects them from .tess files that
the model wrote at the rates that matter (mirrored pictures help):

    python3 tools/train_predictor.py MODEL --tokens FOLDER TOKENS.npz

OUT is MODEL with `predictor.LEVEL`, and OUT.LEVEL.pt the moving average of the weights, which --init starts from; a
narrower net grows. Weights are rounded to int8 in the last part of the run. Mixing weights: bench/fit_mix.c, afterwards.
"""
import argparse
import glob
import json
import math
import os
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F

from tesserae import file, predictor

SIDE = 32  # of training crops, in tokens
ROUND_FROM, MIX = 0.6, (0.55, 0.5, 0)


def collect(model, folder, out, program):
    grids = {}
    for name in sorted(glob.glob(os.path.join(folder, "*.tess"))):
        t = json.loads(subprocess.run([program, "tokens", name, "-m", model], stdout=subprocess.PIPE, check=True).stdout)
        grids[os.path.basename(name)] = np.array(t["data"], np.uint16).reshape(t["levels"], t["height"], t["width"])
    np.savez_compressed(out, **grids)
    print("%d pictures" % len(grids))


def load(names, level):
    """Levels 0..level of the pictures that have that many."""
    grids = [g for n in names for g in np.load(n).values()]
    return [g[:level + 1].astype(np.int64) for g in grids if g.shape[0] > level]


def crops(grids, shares, count, size, rng):
    out = np.full((count, grids[0].shape[0], SIDE, SIDE), size, np.int64)
    for o, i in zip(out, rng.choice(len(grids), count, p=shares)):
        _, h, w = grids[i].shape
        y, x = rng.integers(max(1, h - SIDE + 1)), rng.integers(max(1, w - SIDE + 1))
        g = grids[i][:, y:y + SIDE, x:x + SIDE]
        o[:, :g.shape[1], :g.shape[2]] = g
    return torch.from_numpy(out)


def grow(net, old):
    """Old weights in the net's first units; what the new ones lead to starts at zero."""
    own = dict(net.named_parameters())
    with torch.no_grad():
        for name, w in old.items():
            p = own[name]
            if p.shape != w.shape and name in ("outer.weight", "query.weight"):
                p[:, w.shape[1]:] = 0
            p[tuple(slice(0, n) for n in w.shape)] = w


@torch.no_grad()
def bits(net, grids):
    total = count = 0
    for g in grids:
        t = torch.from_numpy(g)[None]
        total += F.cross_entropy(net(t)[0].reshape(-1, net.size), t[0, net.level].reshape(-1), reduction="sum").item()
        count += t[0, 0].numel()
    return total / count / math.log(2)


def train(net, grids, held, a):
    shares = np.array([g[0].size for g in grids], float)
    shares /= shares.sum()
    rng, parameters = np.random.default_rng(a.seed), list(net.parameters())
    mean = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, a.rate, betas=(0.9, 0.98), weight_decay=0.02)
    start, loss_sum = time.time(), 0.0
    for step in range(a.steps):
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / a.steps)))
        net.rounded = step >= ROUND_FROM * a.steps
        tokens = crops(grids, shares, a.batch * (2 if net.rounded else 1), net.size, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(tokens)
        own = tokens[:, net.level].reshape(-1)
        loss = F.cross_entropy(logits.float().reshape(-1, net.size), torch.where(own < net.size, own, -100))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            for m, p in zip(mean, parameters):
                m.lerp_(p, 1 - min(0.999, (step + 1) / (step + 10)))
        loss_sum += loss.item() / math.log(2)
        if (step + 1) % 100 == 0:
            print("%6d %.4f bits a token, %.0f s" % (step + 1, loss_sum / 100, time.time() - start), flush=True)
            loss_sum = 0.0
    with torch.no_grad():
        for m, p in zip(mean, parameters):
            p.copy_(m)
    if held:
        print("held out: %.4f bits a token" % bits(net, held), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("level", type=int, nargs="?")
    p.add_argument("files", nargs="*")
    p.add_argument("--tokens", nargs=2, metavar=("FOLDER", "OUT"))
    p.add_argument("--program", default="build/native/tesserae")
    p.add_argument("-o", "--output")
    p.add_argument("--held")
    p.add_argument("--init")
    p.add_argument("--steps", type=int, default=7000)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--query", type=int, default=32)
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    if a.tokens:
        return collect(a.model, *a.tokens, a.program)
    if a.level is None or not a.output or not (a.files or a.init):
        p.error("a level, token files (or --init with --steps 0) and -o are needed")
    torch.manual_seed(a.seed)
    tensors, meta = file.read(a.model)
    book = tensors["quantizer.codebook"].float()
    net = predictor.Predictor(book, a.level, a.hidden, a.query)
    if a.init:
        grow(net, torch.load(a.init))
    grids = load(a.files, a.level)
    train(net, grids, load([a.held], a.level) if a.held else None, a)
    torch.save(dict(net.named_parameters()), "%s.%d.pt" % (a.output, a.level))
    sample = crops(grids, None, 64, net.size, np.random.default_rng(0))
    depths = (net.size - 1).bit_length() + (a.level > 0)
    packed = predictor.pack(net, sample, np.tile(MIX, (depths, 1)))
    tensors["predictor.%d" % a.level] = torch.from_numpy(np.frombuffer(packed, np.uint8).copy())
    file.write(a.output, tensors, meta)
    print("%s: %d bytes of predictor" % (a.output, len(packed)))


if __name__ == "__main__":
    main()
