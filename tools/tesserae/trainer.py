"""An autoencoder in training: its losses, one step at a time, alone or in a world of processes."""
import collections
import math
import random

import torch
import torch.nn.functional as F

from . import losses, quantizers
from .adversary import Adversary
from .model import Autoencoder
from .world import World

# y: reconstruction; image: weighted image losses; latent: what the quantizer adds; terms: name -> scalar; q: the
# quantizer's Result or None
Pass = collections.namedtuple("Pass", "y image latent terms q")


class Trainer:
    """A model, its AdamW and EMA state, and the loss. One step() per batch.

    Two phases where "train.adversarial" says freeze: from its step `from` on encoder and codes stand still, and the
    decoder starts from the moving average of the weights with a fresh AdamW."""

    def __init__(self, c, lpips=None, world=None):
        self.c, self.t, self.lpips, self.world = c, c["train"], lpips, world or World()
        torch.manual_seed(self.t["seed"])
        self.rng = random.Random(self.t["seed"])
        self.model = Autoencoder(c).to(self.world.device).train()
        self.model.quantizer.world = self.world
        self.params = self.model.weights()
        self.ema = {k: v.detach().clone() for k, v in self.params.items()}
        self.adversary = Adversary(c, self.world) if "adversarial" in self.t else None
        self.step_no, self.progress, self.skipped = 0, 0.0, 0
        self.fitted, self.sealed, self.tables = False, False, {}  # tables: entropy.* of the model started from
        self.start_adam()

    def start_adam(self):
        """A fresh AdamW for what learns: everything, or the decoder once the rest is sealed."""
        self.learning = [v for k, v in self.params.items() if not self.sealed or k.startswith("decoder.")]
        self.opt = torch.optim.AdamW(self.learning, lr=self.t["lr"], betas=tuple(self.t["betas"]), eps=self.t["eps"],
                                     weight_decay=self.t["weight_decay"])
        self.adam_steps = 0

    @property
    def since(self):
        """Steps done of the adversarial phase: below 0 before it, None without an adversary."""
        return self.step_no - self.t["adversarial"]["from"] if self.adversary else None

    @torch.no_grad()
    def seal(self, sort=True):
        """Phase two: weights become their moving average, codes take tree order (`sort`; those of a model file have
        it), and from now on only the decoder learns."""
        for k, v in self.params.items():
            v.copy_(self.ema[k])
        self.model.quantizer.settle()
        if sort and hasattr(self.model.quantizer, "sort_tree"):
            self.model.quantizer.sort_tree()
            self.ema.update({k: v.detach().clone() for k, v in self.params.items() if k.startswith("quantizer.")})
        self.model.quantizer.eval()
        self.sealed = True
        self.start_adam()

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

    def look(self, x, levels, lam, amp=False):
        """x [B,3,H,W] through the autoencoder -> Pass."""
        w, m, device = self.t["loss"], self.model, self.world.device
        with torch.autocast(device, torch.bfloat16, enabled=amp), torch.set_grad_enabled(not self.sealed):
            z = m.encoder(x)
        z, q = z.to(x), None
        if self.step_no >= self.t["quantize_from"]:
            with torch.set_grad_enabled(not self.sealed):
                q = m.quantizer(z, levels, lam)
            z = q.z
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            y = m.decoder(z).to(x)
        terms = {"l1": F.l1_loss(y, x), "l2": F.mse_loss(y, x)}
        if w["ms_ssim"]:
            terms["ms_ssim"] = 1 - losses.ms_ssim(x, y)
        if w["lpips"] and self.lpips and self.step_no >= w["lpips_from"]:
            with torch.autocast(device, torch.bfloat16, enabled=amp):
                terms["lpips"] = self.lpips(x, y)
        return Pass(y, sum(w[k] * v for k, v in terms.items()), q.loss if q and not self.sealed else 0.0, terms, q)

    def backward(self, x, p, amp=False):
        """Gradients of Pass p into the parameters, and the discriminator's -> (total loss, name -> detached scalar)."""
        if not self.adversary or self.since < 0:
            total = p.image + p.latent
            total.backward()
            return total.detach(), {}
        a = self.adversary
        v = a.judge(x, p.y, self.since, amp)
        dy, = torch.autograd.grad(p.image, p.y, retain_graph=True)
        last = [w for w in self.model.decoder.parameters() if w.dim() > 1][-1]
        d_weight = a.weigh(p.y, dy, v.dy, last)
        weight = a.a["weight"] * a.ramp(self.since) * d_weight
        roots, grads = [p.y], [dy + weight * v.dy]
        if torch.is_tensor(p.latent) and p.latent.requires_grad:
            roots, grads = roots + [p.latent], grads + [None]
        torch.autograd.backward(roots, grads)
        return (p.image + p.latent + weight * v.adversarial).detach(), {**v.terms, "d_weight": d_weight}

    def reduce(self, terms):
        """name -> scalar tensor: their means over the processes, as floats. One wait for the device."""
        flat = self.world.mean(torch.stack([v.detach().double() for v in terms.values()]))
        return dict(zip(terms, flat.tolist()))

    def step(self, x, levels, lam, amp=False):
        """One step on this process's share x of the batch -> (loss, terms, quantizer result), over all processes. A
        loss or gradient norm that is not finite, the generator's or the discriminator's, leaves everything alone.
        EMA weights start fast: decay min(ema, (1 + step) / (10 + step))."""
        adverse = self.adversary and self.since >= 0
        if adverse and self.t["adversarial"]["freeze"] and not self.sealed:
            self.seal()
        for g in self.opt.param_groups:
            g["lr"] = self.rate()
        p = self.look(x, levels, lam, amp)
        self.opt.zero_grad(set_to_none=True)
        total, verdict = self.backward(x, p, amp)
        self.world.mean_all([v.grad for v in self.learning if v.grad is not None])
        norms = {"norm": torch.nn.utils.clip_grad_norm_(self.learning, self.t["clip"] or math.inf)}
        if adverse and not self.adversary.rests:
            norms["d_grad_norm"] = self.adversary.clip()
        got = self.reduce({"total": total, **p.terms, **(p.q.terms if p.q else {}), **verdict, **norms})
        guards = ("total", "norm", "discriminator", "d_grad_norm")
        if all(math.isfinite(got.get(k, 0.0)) for k in guards):
            self.apply(got if adverse else None)
        else:
            self.skipped += 1
        self.step_no += 1
        del got["norm"]
        return got.pop("total"), got, p.q

    def apply(self, judged):
        """Moves codes, weights, EMA and, with the reduced terms `judged`, the discriminator."""
        if not self.sealed:
            self.model.quantizer.update()
        self.opt.step()
        self.adam_steps += 1
        if not self.sealed:
            self.model.quantizer.settle()
        d = min(self.t["ema"], (1 + self.step_no) / (10 + self.step_no))
        with torch.no_grad():
            for k, v in self.params.items():
                self.ema[k].lerp_(v, 1 - d)
        if judged:
            self.adversary.step(judged)

    @torch.no_grad()
    def start_quantizer(self, batches):
        """Fit the codebook to latents of `batches` (this process's shares), after scaling the latent to unit variance
        (folded into the convs on both sides), so that lambda means the same in every run."""
        m, self.fitted = self.model, True
        if not hasattr(m.quantizer, "fit"):
            return
        z = torch.cat([m.encoder(x).to(x).permute(0, 2, 3, 1).flatten(0, 2) for x in batches])
        last, first = m.encoder[-1], m.decoder[0]
        if hasattr(last, "weight") and isinstance(first, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            s = 1 / quantizers.deviation(z, self.world)
            for p in last.parameters():
                p.mul_(s)
            first.weight.div_(s)
            z = z * s
        m.quantizer.fit(z, chunk=len(z) // len(batches))
        self.ema = {k: v.detach().clone() for k, v in self.params.items()}
