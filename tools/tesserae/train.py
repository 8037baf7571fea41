"""Train an autoencoder: python3 -m tesserae.train DIR... -c CONFIG.json -o CHECKPOINT.safetensors [--until HH:MM]

Writes a checkpoint every --save seconds, on SIGTERM and at the end, and goes on from it when it exists;
`python3 -m tesserae.export` makes the model file out of it. With --until the cosine schedule is laid over wall-clock
time, else over steps.
"""
import argparse
import math
import os
import random
import signal
import time

import torch
import torch.nn.functional as F

from . import config, data, file, losses
from .model import Autoencoder


class Trainer:
    """A model, its AdamW and EMA state, and the loss. One step() per batch."""

    def __init__(self, c, lpips=None, device="cpu"):
        self.c, self.t, self.lpips, self.device = c, c["train"], lpips, device
        torch.manual_seed(self.t["seed"])
        self.rng = random.Random(self.t["seed"])
        self.model = Autoencoder(c).to(device).train()
        self.params = self.model.weights()
        self.ema = {k: v.detach().clone() for k, v in self.params.items()}
        self.opt = torch.optim.AdamW(self.params.values(), lr=self.t["lr"], betas=tuple(self.t["betas"]),
                                     eps=self.t["eps"], weight_decay=self.t["weight_decay"])
        self.step_no, self.progress, self.skipped = 0, 0.0, 0

    def rate(self):
        """Learning rate now: linear warm-up, then cosine over `progress` down to lr * lr_final."""
        low = self.t["lr_final"]
        warm = min(1.0, (self.step_no + 1) / max(1, self.t["warmup"]))
        return self.t["lr"] * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress))))

    def draw(self):
        """(levels, lambda) of a step: level_weights; every other lambda is lambda[0], else uniform in the root."""
        q, t = self.c["quantizer"], self.t
        if q["type"] != "vq":
            return None, 0.0
        weights = t.get("level_weights") or [0] * (q["levels"] - 1) + [1]
        n = self.rng.choices(range(1, q["levels"] + 1), weights)[0]
        a, b = (math.sqrt(v) for v in t.get("lambda", [0.0, 0.0]))
        u = max(0.0, 2 * self.rng.random() - 1)
        return n, (a + (b - a) * u) ** 2

    def loss(self, x, levels, lam, amp=False):
        """-> (scalar loss, name -> scalar tensor, quantizer result or None before quantize_from)."""
        w, m = self.t["loss"], self.model
        with torch.autocast(self.device, torch.bfloat16, enabled=amp):
            z = m.encoder(x)
        z, q = z.to(x), None
        if self.step_no >= self.t["quantize_from"]:
            q = m.quantizer(z, levels, lam)
            z = q.z
        with torch.autocast(self.device, torch.bfloat16, enabled=amp):
            y = m.decoder(z).to(x)
        terms = {"l1": F.l1_loss(y, x), "l2": F.mse_loss(y, x)}
        if w["ms_ssim"]:
            terms["ms_ssim"] = 1 - losses.ms_ssim(x, y)
        if w["lpips"] and self.lpips and self.step_no >= w["lpips_from"]:
            with torch.autocast(self.device, torch.bfloat16, enabled=amp):
                terms["lpips"] = self.lpips(x, y)
        total = sum(w[k] * v for k, v in terms.items())
        return total + (q.loss if q else 0.0), terms, q

    def step(self, x, levels, lam, amp=False):
        """One AdamW step -> (loss, terms, quantizer result); a non-finite loss or gradient leaves all weights alone.
        EMA weights start fast: decay min(ema, (1 + step) / (10 + step))."""
        for g in self.opt.param_groups:
            g["lr"] = self.rate()
        total, terms, q = self.loss(x, levels, lam, amp)
        self.opt.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.params.values(), self.t["clip"] or math.inf)
        if torch.isfinite(total) and torch.isfinite(norm):
            self.opt.step()
            self.model.quantizer.settle()
            d = min(self.t["ema"], (1 + self.step_no) / (10 + self.step_no))
            with torch.no_grad():
                for k, v in self.params.items():
                    self.ema[k].lerp_(v, 1 - d)
        else:
            self.skipped += 1
        self.step_no += 1
        return total.item(), {k: v.item() for k, v in terms.items()}, q

    @torch.no_grad()
    def start_quantizer(self, batches):
        """Fit the codebook to latents of `batches`, after scaling the latent to unit variance (folded into the convs on
        both sides), so that lambda means the same in every run."""
        m = self.model
        if not hasattr(m.quantizer, "fit"):
            return
        z = torch.cat([m.encoder(x).float().permute(0, 2, 3, 1).flatten(0, 2) for x in batches])
        last, first = m.encoder[-1], m.decoder[0]
        if hasattr(last, "weight") and isinstance(first, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            s = 1 / z.std()
            for p in last.parameters():
                p.mul_(s)
            first.weight.div_(s)
            z = z * s
        m.quantizer.fit(z)
        self.ema = {k: v.detach().clone() for k, v in self.params.items()}

    def save(self, path):
        """Everything that going on needs; names as ARCHITECTURE.md lists them."""
        t = dict(self.params)
        t.update({"quantizer." + k: v for k, v in self.model.quantizer.named_buffers() if k in file.QUANTIZER})
        t.update({"ema." + k: v for k, v in self.ema.items()})
        for k, p in self.params.items():
            for name, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
                if p in self.opt.state:
                    t["adam.%s.%s" % (name, k)] = self.opt.state[p][key]
        t["state.step"] = torch.tensor([self.step_no])
        t["state.progress"] = torch.tensor([self.progress], dtype=torch.float32)
        file.write(path, {k: v.contiguous() for k, v in t.items()}, file.meta(self.c))

    def restore(self, path):
        t, _ = file.read(path)
        file.load_state(self.model, t)
        self.step_no, self.progress = int(t["state.step"][0]), float(t["state.progress"][0])
        for k, p in self.params.items():
            self.ema[k].copy_(t["ema." + k])
            self.opt.state[p] = {"step": torch.tensor(float(self.step_no)), "exp_avg": t["adam.m." + k].to(self.device),
                                 "exp_avg_sq": t["adam.v." + k].to(self.device)}
        self.rng.seed(self.t["seed"] + self.step_no)
        torch.manual_seed(self.t["seed"] + self.step_no)


def until(text):
    """HH:MM today -> seconds since the epoch."""
    h, m = map(int, text.split(":"))
    return time.mktime(time.localtime()[:3] + (h, m, 0, 0, 0, -1))


def schedule(tr, end):
    """-> a function that tells progress in [0,1]: by steps, or by the clock from where the checkpoint stood to `end`."""
    p0, t0 = tr.progress, time.time()
    if end is None:
        return lambda: tr.step_no / tr.t["steps"]
    return lambda: min(1.0, p0 + (1 - p0) * (time.time() - t0) / max(1.0, end - t0))


def report(tr, mean, q, lam, speed):
    """One line: losses, PSNR, rate and, per level, codebook perplexity."""
    line = "%6d %3.0f%% lr %.1e " % (tr.step_no, 100 * tr.progress, tr.rate())
    line += " ".join("%s %.4f" % kv for kv in mean.items()) + " psnr %.2f" % (10 * math.log10(4 / mean["l2"]))
    if q is not None and hasattr(tr.model.quantizer, "bits"):
        vq, px = tr.model.quantizer, tr.model.factor ** 2
        bits = sum(vq.bits[l][k].mean().item() for l, k in enumerate(q.tokens))
        p = vq.count / vq.count.sum(1, keepdim=True)
        ppl = torch.exp(-(p * (p + 1e-12).log()).sum(1))
        line += " | nl %d lam %.3f bpp %.3f com %.4f ppl %s" % (len(q.tokens), lam, bits / px, q.terms["commitment"],
                                                               " ".join("%.0f" % v for v in ppl))
    print(line + " | %.1f img/s skipped %d" % (speed, tr.skipped), flush=True)


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    c = config.load(a.config)
    t = c["train"]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lpips = losses.Lpips.load(*a.lpips).to(device) if a.lpips else None
    tr = Trainer(c, lpips, device)
    tr.model.to(memory_format=torch.channels_last)
    if os.path.exists(a.out):
        tr.restore(a.out)
    elif a.start:
        file.load_state(tr.model, file.read(a.start)[0])
        tr.step_no = t["quantize_from"] + 1
    crops = data.Crops(a.folders, t["size"], t["flip"], t["seed"] + tr.step_no, set(a.skip.split(",")))
    print("%d images" % len(crops.images), flush=True)
    batch = lambda: crops.batch(t["batch"]).to(device).contiguous(memory_format=torch.channels_last)
    clock = schedule(tr, until(a.until) if a.until else None)
    saved, told, sums, seen = time.time(), time.time(), {}, 0
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while not stop:
        tr.progress = clock()
        if tr.progress >= 1:
            break
        if tr.step_no == t["quantize_from"]:
            tr.start_quantizer([batch() for _ in range(24)])
        levels, lam = tr.draw()
        _, terms, q = tr.step(batch(), levels, lam, a.amp)
        seen += 1
        for k, v in terms.items():
            sums[k] = sums.get(k, 0.0) + v
        if tr.step_no % a.every == 0:
            report(tr, {k: v / seen for k, v in sums.items()}, q, lam, seen * t["batch"] / (time.time() - told))
            told, sums, seen = time.time(), {}, 0
        if time.time() - saved > a.save:
            tr.save(a.out)
            saved = time.time()
    tr.save(a.out)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+")
    p.add_argument("-c", "--config", required=True)
    p.add_argument("-o", "--out", required=True, help="checkpoint, resumed from when it exists")
    p.add_argument("--start", help="a model or checkpoint whose weights to begin with")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), help="SqueezeNet 1.1 and LPIPS heads (.safetensors)")
    p.add_argument("--skip", default="", help="file names to leave out, comma separated")
    p.add_argument("--until", help="HH:MM today: the schedule ends then")
    p.add_argument("--save", type=float, default=180, help="seconds between checkpoints")
    p.add_argument("--every", type=int, default=100, help="steps between report lines")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--amp", action="store_true", help="bfloat16 convolutions")
    return p.parse_args()


if __name__ == "__main__":
    main()
