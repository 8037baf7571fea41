"""The discriminator in training: what it says of a batch, the balance of its gradient, its own steps, their state."""
import collections

import torch

from . import gan
from .discriminator import Discriminator

# adversarial: what the generator minimises, unweighted; dy: its gradient at the pixels; terms: name -> detached scalar
# over this process's pictures
Verdict = collections.namedtuple("Verdict", "adversarial dy terms")
EYE = 0.95  # decay of the accuracy's moving average


class Adversary:
    """Of a completed config with "train.adversarial"."""

    def __init__(self, c, world):
        self.t, self.a, self.world = c["train"], c["train"]["adversarial"], world
        self.net = Discriminator(self.a["discriminator"]).to(world.device)
        self.start()

    def start(self):
        """Fresh state for the parameters of `net`."""
        self.params = dict(self.net.named_parameters())
        self.opt = torch.optim.AdamW(self.params.values(), lr=self.a["lr"], betas=tuple(self.a["betas"]),
                                     eps=self.t["eps"], weight_decay=0)
        self.steps, self.mean_real, self.mean_fake, self.accuracy = 0, 0.0, 0.0, 0.5

    @property
    def rests(self):
        """Is it too good to learn in the coming step?"""
        return self.accuracy > self.a["gate"]

    def judge(self, x, y, k, amp=False):
        """x, y [B,3,H,W]: pictures and reconstructions, in step k of the adversarial phase -> Verdict, and D's
        gradients in its parameters, unless it rests. D is the one before its step."""
        a, kind = self.a, self.a["loss"]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=amp):
            both = self.net(torch.cat([x, y.detach()]))
        real, fake = zip(*(logits.to(x).chunk(2) for logits, _ in both))
        d = gan.mean([0.5 * (gan.real(kind, r) + gan.fake(kind, f)) for r, f in zip(real, fake)])
        lecam = gan.mean([gan.lecam(r, f, self.mean_real, self.mean_fake) for r, f in zip(real, fake)])
        d = d + a["lecam"] * lecam
        terms = {"real": gan.mean([t.mean() for t in real]), "fake": gan.mean([t.mean() for t in fake])}
        terms["d_accuracy"] = gan.mean([((r > 0).to(x).mean() + (f < 0).to(x).mean()) / 2 for r, f in zip(real, fake)])
        if a["lecam"]:
            terms["lecam"] = lecam
        if a["r1"] and k % a["r1_every"] == 0 and not self.rests:
            terms["r1"] = gan.r1(self.net, x)  # in float32: second derivatives
            d = d + a["r1_every"] * a["r1"] / 2 * terms["r1"]
        self.opt.zero_grad(set_to_none=True)
        if not self.rests:
            d.backward()
        adversarial, dy = self.oppose(x, y, [f for _, f in both], amp, terms)
        return Verdict(adversarial, dy, {n: v.detach() for n, v in {"discriminator": d, **terms}.items()})

    def oppose(self, x, y, features, amp, terms):
        """The generator's side: (g_loss + features * matching, its gradient at y); features: D's at [x;y]."""
        a, y = self.a, y.detach().requires_grad_()
        self.net.requires_grad_(False)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=amp):
            mine = self.net(y)
        self.net.requires_grad_(True)
        loss = terms["generator"] = gan.mean([gan.generator(a["loss"], t.to(x)) for t, _ in mine])
        if a["features"]:
            wanted = [[f[:len(x)].to(x) for f in fs] for fs in features]
            terms["features"] = gan.matching([[f.to(x) for f in fs] for _, fs in mine], wanted)
            loss = loss + a["features"] * terms["features"]
        return loss.detach(), torch.autograd.grad(loss, y)[0]

    def weigh(self, y, dy_image, dy, last):
        """d_weight: how much larger the image losses' gradient is than the adversarial one, at `last`, the weight of
        the decoder's last layer (Esser et al. 2021), or at the pixels; over all processes. y: with its graph."""
        if self.a["balance"] == "none":
            return y.new_ones(())
        if self.a["balance"] == "layer":
            pair = [torch.autograd.grad(y, last, g.to(y), retain_graph=True)[0] for g in (dy_image, dy)]
            image, opposed = (self.world.mean(g).norm() for g in pair)
        else:
            squares = self.world.sum(torch.stack([dy_image.square().sum(), dy.square().sum()]))
            image, opposed = squares.sqrt() / self.world.size
        return (image / (opposed + 1e-4)).clamp(0, self.a["limit"])

    def ramp(self, k):
        return min(1.0, (k + 1) / max(1, self.a["ramp"]))

    def clip(self):
        """Averages D's gradients over the processes and clips them -> their norm before."""
        self.world.mean_all([p.grad for p in self.params.values()])
        return torch.nn.utils.clip_grad_norm_(self.params.values(), self.t["clip"] or float("inf"))

    def step(self, terms):
        """D's AdamW step, unless it rests; then the moving averages. terms: reduced floats."""
        if not self.rests:
            self.opt.step()
            self.steps += 1
        d = self.a["lecam_decay"]
        self.mean_real = d * self.mean_real + (1 - d) * terms["real"]
        self.mean_fake = d * self.mean_fake + (1 - d) * terms["fake"]
        self.accuracy = EYE * self.accuracy + (1 - EYE) * terms["d_accuracy"]

    # ---- checkpoint ------------------------------------------------------------------------------------------------

    def tensors(self, sealed):
        """name -> tensor, as ARCHITECTURE.md lists them."""
        out = {"state.adversary": torch.tensor([self.mean_real, self.mean_fake, self.accuracy] + 5 * [0.0]),
               "state.adversary_steps": torch.tensor([self.steps, int(sealed), 0, 0])}
        for k, p in self.params.items():
            state = self.opt.state.get(p, {})
            out["discriminator." + k] = p
            out["adam.m.discriminator." + k] = state.get("exp_avg", torch.zeros_like(p))
            out["adam.v.discriminator." + k] = state.get("exp_avg_sq", torch.zeros_like(p))
        return out

    @torch.no_grad()
    def restore(self, tensors):
        """Takes up `tensors` of a checkpoint; one of a time before the adversary has none: D starts fresh then."""
        if "state.adversary" not in tensors:
            return
        self.mean_real, self.mean_fake, self.accuracy = tensors["state.adversary"].tolist()[:3]
        self.steps = int(tensors["state.adversary_steps"][0])
        for k, p in self.params.items():
            p.copy_(tensors["discriminator." + k])
            moments = (tensors["adam.%s.discriminator.%s" % (n, k)].to(p) for n in "mv")
            if self.steps:
                self.opt.state[p] = dict(zip(("exp_avg", "exp_avg_sq"), moments), step=torch.tensor(float(self.steps)))
