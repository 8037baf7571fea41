"""Train an upscaler for a model: python3 tools/train_upscaler.py MODEL DIR... -c CONFIG.json --factor 4 -o CKPT

MODEL is a model file; the folders hold photographs. CONFIG has "upscaler": {"2": {..}, "4": {..}} and "train":
{"upscaler": ..}; tools/upscalers/ has one. CKPT is written every --save seconds, on SIGTERM and at the end, and gone on
from when it exists; tools/export_upscaler.py makes the part of a model's file of it.

Report lines give mean PSNR and LPIPS over the middles of --judge pictures: bicubic, smooth, sharp.
"""
import argparse
import glob
import json
import math
import os
import signal
import time

import torch

from tesserae import config, data, export, file, losses, measure, upscaler, upscaler_trainer as trainer


@torch.no_grad()
def judge(net, model, lpips, pictures):
    """-> {"bicubic" | "smooth" | "sharp": (PSNR in dB, LPIPS)}, means; what is judged has 8 bits."""
    rows = {}
    bits = lambda v: ((v.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
    for y in pictures:
        x = bits(upscaler.reduce(y, net.factor))
        smooth, sharp, _, _ = upscaler.answers(net, model, x)
        for name, out in (("bicubic", upscaler.enlarge(x, net.factor)), ("smooth", smooth), ("sharp", sharp)):
            out = bits(out)
            psnr = 10 * math.log10(4 / (out - y).square().mean().item())
            rows.setdefault(name, []).append((psnr, lpips(y, out).item()))
    return {k: [sum(c) / len(c) for c in zip(*v)] for k, v in rows.items()}


def middles(folder, count, side=256):
    """The middle side x side px of `count` PNGs, evenly taken from the folder."""
    names = sorted(glob.glob(os.path.join(folder, "*.png")))
    out = []
    for f in names[::max(1, len(names) // count)][:count]:
        y = measure.load(f)
        top, left = (y.shape[2] - side) // 2, (y.shape[3] - side) // 2
        out.append(y[:, :, top:top + side, left:left + side].contiguous())
    return out


def report(tr, sums, steps, seconds, pictures):
    line = "%6d %3.0f%% lr %.1e %.2f s |" % (tr.step_no, 100 * tr.progress, tr.rate(), seconds / max(1, steps))
    line += " ".join(" %s %.4f" % (k, v / n) for k, (v, n) in sums.items())
    for name, row in judge(tr.average, tr.model, tr.lpips, pictures).items() if pictures else ():
        line += " | %s %.2f dB %.4f" % (name, *row)
    print(line, flush=True)


def run(tr, a, crops, pictures):
    """Steps until the minutes or SIGTERM end them."""
    stop, start, begun = [], tr.progress, time.time()
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    save = lambda: file.write(a.out, tr.tensors(), {"tesserae.upscaler": json.dumps(
        {"factor": tr.net.factor, "config": tr.net.config, "train": tr.t})})
    saved = seen = begun
    sums, steps = {}, 0
    report(tr, sums, 0, 0, pictures)
    while not stop and tr.progress < 1:
        tr.progress = start + (1 - start) * (time.time() - begun) / (60 * a.minutes)
        y = crops.batch(tr.t["batch"])
        if tr.rng.random() < 0.5:
            y = y.transpose(2, 3)
        for k, v in tr.step(y.contiguous(memory_format=torch.channels_last)).items():
            total, count = sums.get(k, (0.0, 0))
            sums[k] = total + v, count + 1
        steps += 1
        now = time.time()
        if now - saved > a.save:
            save()
            saved = now
        if now - seen > a.every:
            report(tr, sums, steps, now - seen, pictures)
            sums, steps, seen = {}, 0, time.time()
    save()
    report(tr, sums, steps, time.time() - seen, pictures)


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    with open(a.config, encoding="utf-8") as f:
        given = json.load(f)
    t = trainer.complete(dict(given.get("train", {}).get("upscaler", {}), **json.loads(a.set)))
    c = upscaler.complete(given["upscaler"][str(a.factor)])
    torch.manual_seed(t["seed"])
    model = export.load(a.model)
    net = upscaler.Upscaler(a.factor, c, config.latent_dim(model.config))
    net.follow(model.encoder)
    if a.begin:
        net.begin(file.read(a.begin)[0])
    net, model = (m.to(memory_format=torch.channels_last) for m in (net, model))
    lpips = losses.Lpips.load(*a.lpips)
    tr = trainer.UpscalerTrainer(net, model, t, lpips, not a.exact)
    if os.path.exists(a.out):
        tr.restore(file.read(a.out)[0])
    begun = time.time()
    crops = data.Crops(a.folders, t["size"], True, t["seed"] + tr.step_no, a.skip.split(","))
    count = sum(p.numel() for p in tr.params.values())
    print("%d pictures read in %.0f s, %.2f M parameters, from step %d" % (
        len(crops.images), time.time() - begun, count / 1e6, tr.step_no), flush=True)
    run(tr, a, crops, middles(a.judge, a.count) if a.judge else [])


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("folders", nargs="+")
    p.add_argument("-c", "--config", required=True)
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--factor", type=int, choices=(2, 4), default=4)
    p.add_argument("--begin", metavar="CKPT", help="take the body and the tail of another upscaler's moving average")
    p.add_argument("--minutes", type=float, default=60, help="time for the rest of the schedule")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), required=True)
    p.add_argument("--judge", metavar="DIR", help="folder of PNGs that are not trained on")
    p.add_argument("--count", type=int, default=8, help="how many of them")
    p.add_argument("--skip", default="", help="names of pictures to leave out, comma separated")
    p.add_argument("--save", type=float, default=120, help="seconds between checkpoints")
    p.add_argument("--every", type=float, default=180, help="seconds between report lines")
    p.add_argument("--set", default="{}", metavar="JSON", help="overrides of train.upscaler")
    p.add_argument("--exact", action="store_true", help="no bfloat16")
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


if __name__ == "__main__":
    main()
