"""The training of an upscaler: degraded inputs, losses, steps, moving average, checkpoints ("train.upscaler")."""
import copy
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from . import config, upscaler

LOSS = {"smooth": 1.0, "l1": 0.2, "lpips": 1.0, "latent": 0.1, "tokens": 0.02, "temperature": 16.0}
TRAIN = {"size": 192, "batch": 8, "lr": 5e-4, "warmup": 100, "lr_final": 0.02, "betas": [0.9, 0.99], "clip": 1.0,
         "ema": 0.999, "seed": 1, "sharp_from": 0.4, "clean": 0.6, "blur": 1.0, "noise": 0.02, "jpeg": [50, 95]}


def complete(given):
    """"train.upscaler" with its defaults; raises ValueError on an unknown key."""
    t = config.section(given, TRAIN, "train.upscaler", ("loss",))
    t["loss"] = config.section(t.get("loss", {}), LOSS, "train.upscaler.loss")
    return t


# ---- small pictures --------------------------------------------------------------------------------------------------

def blurred(y, sigma):
    """Gaussian blur of y [C,H,W], at the edges over what lies inside."""
    def band(n):
        d = torch.arange(n, dtype=torch.float32)
        g = torch.exp(-(d[:, None] - d) ** 2 / (2 * sigma * sigma))
        return g / g.sum(1, keepdim=True)
    return band(y.shape[1]) @ y @ band(y.shape[2]).t()


def compressed(x, quality):
    """x [3,h,w] in [-1,1] through JPEG."""
    data = io.BytesIO()
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(data)).copy()).permute(2, 0, 1).float() / 127.5 - 1


def small(y, factor, t, rng):
    """Inputs for the pictures y [B,3,H,W]: reduced, a share t["clean"] of them only that, the others blurred before,
    and noise and JPEG after it, each in half of the cases; then 8 bits."""
    dirty = [i for i in range(len(y)) if rng.random() >= t["clean"]]
    if dirty:
        y = y.clone()
    for i in dirty:
        if rng.random() < 0.5:
            y[i] = blurred(y[i], max(0.1, rng.random() * t["blur"]))
    x = upscaler.reduce(y, factor)
    for i in dirty:
        if rng.random() < 0.5:
            x[i] += torch.randn(x[i].shape) * (2 * t["noise"] * rng.random())
        if rng.random() < 0.5:
            x[i] = compressed(x[i], int(rng.integers(t["jpeg"][0], t["jpeg"][1] + 1)))
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


# ---- steps -----------------------------------------------------------------------------------------------------------

class UpscalerTrainer:
    """net: Upscaler; model: the frozen Autoencoder; t: "train.upscaler", completed. `average` is the net with the
    moving average of the weights; `progress` in 0..1 is set by the caller and rules the learning rate."""

    def __init__(self, net, model, t, lpips, amp=True):
        self.net, self.model, self.t, self.lpips, self.amp = net, model.requires_grad_(False).eval(), t, lpips, amp
        self.average = copy.deepcopy(net).eval()
        self.params = dict(net.named_parameters())
        self.opt = torch.optim.Adam(self.params.values(), lr=t["lr"], betas=tuple(t["betas"]))
        self.step_no, self.progress = 0, 0.0
        self.variance = float(model.quantizer.codebook[0].var())  # about that of the latents
        self.rng = np.random.default_rng(t["seed"])

    def rate(self):
        """Learning rate now: linear warm-up, then cosine over `progress` down to lr * lr_final."""
        low = self.t["lr_final"]
        warm = min(1.0, (self.step_no + 1) / max(1, self.t["warmup"]))
        return self.t["lr"] * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress))))

    def half(self):
        """Convolutions in bfloat16; resampling, quantizer and distances stay in float32, outside of it."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.amp)

    def sharp(self, y, x, a):
        """name -> term of the sharp answer's loss on the originals y."""
        with self.half():
            z = self.net.latents(a)
            with torch.no_grad():
                target = self.model.encoder(y)
        z, target = z.float(), target.float()
        q = self.model.quantizer(z)
        with self.half():
            out = self.model.decoder(q.z)
        out = upscaler.consistent(out.float(), x, self.net.factor)
        with self.half():
            lpips = self.lpips(*self.shaken(y, out))
        return {"l1": (out - y).abs().mean(), "lpips": lpips, "latent": F.mse_loss(z, target) / self.variance,
                "tokens": self.surprise(z, target)}

    def shaken(self, *pictures):
        """The same part of each at a random place, maybe mirrored: its sides are 8 px less. The trunk's strides and the
        decoder's shuffles are in step otherwise, and a mesh of their period is learned that the trunk does not see."""
        top, left = self.rng.integers(8, size=2)
        flips = [d for d in (2, 3) if self.rng.random() < 0.5]
        side = self.t["size"] - 8
        return [p[:, :, top:top + side, left:left + side].flip(flips) for p in pictures]

    def surprise(self, z, target):
        """Cross-entropy of level 0's codes for the latents `target` under softmax(-|z - e|^2 / temperature), nats."""
        q = self.model.quantizer
        book = q.codebook[0]
        rows = lambda v: v.permute(0, 2, 3, 1).reshape(-1, book.shape[1])
        far = torch.addmm((book * book).sum(1), rows(z), book.t(), alpha=-2)  # |z - e|^2 - |z|^2
        return F.cross_entropy(far / -self.t["loss"]["temperature"], q.choose(rows(target), 0, 0.0))

    def losses(self, y):
        """The pictures y [B,3,H,W], channels last -> name -> term, not weighted."""
        x = small(y, self.net.factor, self.t, self.rng)
        with self.half():
            a = self.net.features(x.contiguous(memory_format=torch.channels_last))
            lacks = self.net.lacks(a)
        smooth = upscaler.enlarge(x, self.net.factor) + lacks.float()
        terms = {"smooth": ((smooth - y).square() + 1e-6).sqrt().mean()}
        return dict(terms, **self.sharp(y, x, a)) if self.progress >= self.t["sharp_from"] else terms

    def step(self, y):
        """One step -> name -> value of each term and the gradient's norm."""
        for g in self.opt.param_groups:
            g["lr"] = self.rate()
        terms = self.losses(y)
        self.opt.zero_grad(set_to_none=True)
        sum(self.t["loss"][k] * v for k, v in terms.items()).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.params.values(), self.t["clip"] or math.inf)
        if not math.isfinite(float(norm)):
            raise FloatingPointError("step %d: the gradient is not finite" % self.step_no)
        self.opt.step()
        self.step_no += 1
        d = min(self.t["ema"], (1 + self.step_no) / (10 + self.step_no))
        with torch.no_grad():
            average = list(self.average.parameters())
            torch._foreach_mul_(average, d)
            torch._foreach_add_(average, [p.detach() for p in self.params.values()], alpha=1 - d)
        return dict({k: float(v) for k, v in terms.items()}, norm=float(norm))

    def tensors(self):
        """Everything that going on needs: name -> tensor."""
        out = {"net." + k: p.detach() for k, p in self.params.items()}
        out.update({"ema." + k: p.detach() for k, p in self.average.named_parameters()})
        for name, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
            for k, p in self.params.items():
                out["adam.%s.%s" % (name, k)] = self.opt.state.get(p, {}).get(key, torch.zeros_like(p))
        out["state.step"], out["state.progress"] = torch.tensor([self.step_no]), torch.tensor([self.progress])
        return out

    @torch.no_grad()
    def restore(self, t):
        """t: the tensors of a checkpoint."""
        self.step_no, self.progress = int(t["state.step"][0]), float(t["state.progress"][0])
        average = dict(self.average.named_parameters())
        for k, p in self.params.items():
            p.copy_(t["net." + k])
            average[k].copy_(t["ema." + k])
            self.opt.state[p] = {"step": torch.tensor(float(self.step_no)), "exp_avg": t["adam.m." + k].clone(),
                                 "exp_avg_sq": t["adam.v." + k].clone()}
        self.rng = np.random.default_rng(self.t["seed"] + self.step_no)
        torch.manual_seed(self.t["seed"] + self.step_no)
