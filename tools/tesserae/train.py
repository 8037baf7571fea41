"""Train an autoencoder: python3 -m tesserae.train DIR... -c CONFIG.json -o CHECKPOINT.safetensors [--until HH:MM]

On many GPUs or machines, the same under torchrun:

    torchrun --nproc_per_node 8 -m tesserae.train DIR... -c CONFIG.json -o CHECKPOINT.safetensors --amp

"train.batch" is the batch of a step, dealt evenly to the processes: the run is the same, but for rounding, however many
there are. Every process reads the folders; process 0 alone reads and writes the checkpoint.

Writes a checkpoint every --save seconds, on SIGTERM and at the end, and goes on from it when it exists. The C trainer
goes on from it too, and its checkpoints can be given here; `python3 -m tesserae.export` makes a model file of one.
With --until the cosine schedule is laid over wall-clock time, else over steps. A config with "train.adversarial" trains
with a discriminator (VQGAN); with "freeze" there and --start MODEL only the decoder learns, for the model's codes: name
the model's fingerprint in the config's "reads" so that files written with it can be read.
"""
import argparse
import math
import os
import signal
import time

import torch

from . import checkpoint, config, data, file, losses
from .trainer import Trainer
from .world import World


def until(text):
    """HH:MM today -> seconds since the epoch."""
    h, m = map(int, text.split(":"))
    return time.mktime(time.localtime()[:3] + (h, m, 0, 0, 0, -1))


def schedule(tr, end):
    """-> a function that tells progress in [0,1]: by steps, or by the clock from the checkpoint's progress to `end`."""
    p0, t0 = tr.progress, time.time()
    if end is None:
        return lambda: tr.step_no / tr.t["steps"]
    return lambda: min(1.0, p0 + (1 - p0) * (time.time() - t0) / max(1.0, end - t0))


class Means:
    """Means of the terms since the last report; a term counts where it was measured."""

    def __init__(self):
        self.sums, self.seen, self.since, self.steps = {}, {}, time.time(), 0

    def add(self, terms):
        self.steps += 1
        for k, v in terms.items():
            self.sums[k], self.seen[k] = self.sums.get(k, 0.0) + v, self.seen.get(k, 0) + 1

    def values(self):
        return {k: v / self.seen[k] for k, v in self.sums.items()}

    def speed(self, batch):
        """Pictures per second."""
        return self.steps * batch / max(1e-9, time.time() - self.since)


def report(tr, means, q, lam):
    """One line: losses, PSNR, rate and, per level, codebook perplexity."""
    mean = means.values()
    line = "%6d %3.0f%% lr %.1e " % (tr.step_no, 100 * tr.progress, tr.rate())
    line += " ".join("%s %.4f" % kv for kv in mean.items()) + " psnr %.2f" % (10 * math.log10(4 / mean["l2"]))
    if q is not None and hasattr(tr.model.quantizer, "bits"):
        vq, px = tr.model.quantizer, tr.model.factor ** 2
        bits = sum(vq.bits[l][k].mean().item() for l, k in enumerate(q.tokens))
        p = vq.count / vq.count.sum(1, keepdim=True)
        ppl = torch.exp(-(p * (p + 1e-12).log()).sum(1))
        line += " | nl %d lam %.3f bpp %.3f ppl %s" % (len(q.tokens), lam, bits / px, " ".join("%.0f" % v for v in ppl))
    print(line + " | %.1f img/s skipped %d" % (means.speed(tr.t["batch"]), tr.skipped), flush=True)


def set_up(a, world):
    """-> a trainer where the command line says: from the checkpoint, a model, or new."""
    torch.set_num_threads(a.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True         # convolutions
    torch.backends.cuda.matmul.allow_tf32 = False  # the choice of codes: |r - e|^2 cancels
    c = config.load(a.config)
    if c["train"]["batch"] % world.size:
        raise ValueError("train.batch %d cannot be dealt to %d processes" % (c["train"]["batch"], world.size))
    tr = Trainer(c, losses.Lpips.load(*a.lpips).to(world.device) if a.lpips else None, world)
    for net in [tr.model] + ([tr.adversary.net] if tr.adversary else []):
        net.to(memory_format=torch.channels_last)
    kept = world.share(lambda: file.read(a.out)[0] if os.path.exists(a.out) else None)
    if kept:
        checkpoint.restore(tr, kept)
    elif a.start:
        checkpoint.begin(tr, world.share(lambda: file.read(a.start)[0]))
    elif tr.adversary and tr.t["adversarial"]["freeze"] and tr.t["adversarial"]["from"] <= tr.t["quantize_from"]:
        raise ValueError("train.adversarial freezes codes that have learnt nothing: give --start, or a later \"from\"")
    return tr


def run(tr, a, crops):
    """Steps until the schedule or SIGTERM ends them; all processes stop at the same step."""
    t, world = tr.t, tr.world
    batch = lambda: crops.batch(t["batch"], world.rank, world.size, world.device)
    clock = schedule(tr, until(a.until) if a.until else None)
    saved, means, stop = time.time(), Means(), []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while True:
        tr.progress, stopping = world.agree(clock(), float(bool(stop)))
        if stopping or tr.progress >= 1:
            break
        if tr.step_no >= t["quantize_from"] and not tr.fitted:
            tr.start_quantizer([batch() for _ in range(24)])
        levels, lam = tr.draw()
        _, terms, q = tr.step(batch(), levels, lam, a.amp)
        means.add(terms)
        if tr.step_no % a.every == 0 and world.rank == 0:
            report(tr, means, q, lam)
            means = Means()
        if time.time() - saved > a.save:
            checkpoint.save(tr, a.out)
            saved = time.time()
    checkpoint.save(tr, a.out)


def main():
    a = arguments()
    world = World.join()
    tr = set_up(a, world)
    crops = data.Crops(a.folders, tr.t["size"], tr.t["flip"], tr.t["seed"] + tr.step_no, set(a.skip.split(",")),
                       tile=a.tile)
    if world.rank == 0:
        print("%d images, %d processes" % (len(crops.images), world.size), flush=True)
    run(tr, a, crops)
    world.leave()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+", help="of .jpg and .png pictures")
    p.add_argument("-c", "--config", required=True)
    p.add_argument("-o", "--out", required=True, help="checkpoint, resumed from when it exists")
    p.add_argument("--start", help="a model or checkpoint whose weights and codes to begin with")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), help="SqueezeNet 1.1 and LPIPS heads (.safetensors)")
    p.add_argument("--skip", default="", help="file names to leave out, comma separated")
    p.add_argument("--tile", type=int, help="pictures are sheets of square images of that side, row by row")
    p.add_argument("--until", help="HH:MM today: the schedule ends then")
    p.add_argument("--save", type=float, default=180, help="seconds between checkpoints")
    p.add_argument("--every", type=int, default=100, help="steps between report lines")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--amp", action="store_true", help="bfloat16 convolutions; codes and losses stay float32")
    return p.parse_args()


if __name__ == "__main__":
    main()
