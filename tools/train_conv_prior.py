"""Train a convolutional prior: python3 tools/train_conv_prior.py MODEL TOKENS -c CONFIG.json -o OUT --fingerprint F

MODEL is a model file with a residual quantizer, TOKENS a folder of make_tokens.py, which may still be filling.
CONFIG has "prior" and "train": {"prior": ..}; tools/priors/photo.json is one. OUT is a part of MODEL: the moving
average, matrices and filters as float16. OUT.ckpt is the checkpoint: written every --save seconds, on SIGTERM and
at the end, and gone on from when it exists.

Report lines give the loss in bits per masked place, and with --held a folder of pictures for which the bits of each
level are told, at scattered places and in shapes; the same masks every time.
"""
import argparse
import glob
import json
import math
import os
import random
import signal
import time

import numpy as np
import torch

from tesserae import conv_prior, conv_prior_trainer, export, file, token_store


def held_out(model, folder, limit):
    files = sorted(glob.glob(os.path.join(folder, "*.png")))[:limit] if folder else []
    with torch.no_grad():
        return [model.tokens(token_store.picture(f, 1, False, (0, 0))) for f in files]


def report(tr, mean, rate, pictures):
    line = "%6d %3.0f%% lr %.1e loss %.3f bits norm %.2f" % (tr.step_no, 100 * tr.progress, tr.rate(),
                                                             mean[0] / math.log(2), mean[1])
    if pictures:
        for name, shaped in (("scattered", False), ("shapes", True)):
            line += " | %s %s" % (name, " ".join(
                "%.2f" % b for b in conv_prior_trainer.bits(tr.average, pictures, tr.codebook, shaped)))
    print(line + " | %.2f s a step" % rate, flush=True)


def save(a, tr):
    file.write(a.out + ".ckpt", tr.tensors())
    export.part(a.out, a.fingerprint, "prior", tr.average)


def run(tr, a, crops, pictures):
    """Steps until the schedule or SIGTERM ends them."""
    t, start, stop = tr.t, tr.progress, []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    begun = saved = seen = time.time()
    sums, steps = torch.zeros(2), 0
    progress = lambda: (start + (1 - start) * (time.time() - begun) / (60 * a.minutes) if a.minutes else
                        tr.step_no / t["steps"])
    while not stop and progress() < 1:
        tr.progress = progress()
        tokens = crops.batch(t["batch"])
        if random.random() < 0.25:  # pictures whose sides are no multiples of 4
            tokens = tokens[..., :t["side"] - random.randrange(4), :t["side"] - random.randrange(4)]
        sums += torch.stack(tr.step(tokens))
        steps += 1
        if tr.step_no % a.every == 0:
            mean, rate = (sums / steps).tolist(), (time.time() - seen) / steps
            if not all(abs(v) < math.inf for v in mean):
                raise SystemExit("step %d: the loss is not finite; the checkpoint is of before" % tr.step_no)
            report(tr, mean, rate, pictures)
            sums.zero_()
            steps, seen = 0, time.time()
            crops.refresh()
        if time.time() - saved > a.save:
            save(a, tr)
            saved = time.time()
    tr.progress = min(1.0, progress())
    save(a, tr)


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    with open(a.config, encoding="utf-8") as f:
        given = json.load(f)
    c = conv_prior.complete(given["prior"])
    t = conv_prior_trainer.complete(given.get("train", {}).get("prior", {}))
    model = export.load(a.model)
    torch.manual_seed(t["seed"])
    prior = conv_prior.ConvPrior(c, model.config["quantizer"])
    crops = token_store.Crops(a.tokens, t["side"], model.config["quantizer"]["levels"], t["seed"])
    resumed = os.path.exists(a.out + ".ckpt")
    if not resumed:
        conv_prior_trainer.start(prior, model.quantizer, crops.batch(256))
    tr = conv_prior_trainer.ConvPriorTrainer(prior, t, model.quantizer.codebook)
    if resumed:
        tr.restore(file.read(a.out + ".ckpt")[0])
        torch.manual_seed(t["seed"] + tr.step_no)
        crops.rng = np.random.default_rng([t["seed"], tr.step_no])
    count = sum(p.numel() for p in tr.params.values())
    print("%.2f M parameters, %d pictures, from step %d" % (count / 1e6, len(crops.pictures), tr.step_no), flush=True)
    run(tr, a, crops, held_out(model, a.held, a.limit))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("tokens")
    p.add_argument("-c", "--config", required=True)
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--fingerprint", required=True, help="of MODEL: `tesserae info MODEL` tells it")
    p.add_argument("--held", metavar="DIR", help="PNG pictures, sides multiples of 8, that are not in TOKENS")
    p.add_argument("--limit", type=int, default=8, help="of the held out pictures")
    p.add_argument("--minutes", type=float, help="lay the rest of the schedule over so much time, not over steps")
    p.add_argument("--save", type=float, default=120, help="seconds between checkpoints")
    p.add_argument("--every", type=int, default=500, help="steps between report lines")
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


if __name__ == "__main__":
    main()
