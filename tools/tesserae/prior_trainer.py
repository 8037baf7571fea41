"""The training of a prior: steps, moving average, held-out cross-entropy, checkpoints ("train.prior" of the config)."""
import copy
import math

import torch

from . import config, prior as priors

TRAIN = {"batch": 64, "steps": 20000, "lr": 4e-4, "warmup": 500, "lr_final": 0.05, "betas": [0.9, 0.96],
         "weight_decay": 0.045, "clip": 1, "ema": 0.9995, "smoothing": 0.1, "drop": 0.1, "seed": 1}


def complete(given):
    """"train.prior" with its defaults; raises ValueError on an unknown key."""
    return config.section(given, TRAIN, "train.prior")


class PriorTrainer:
    """prior: Prior on its device; t: "train.prior", completed; compiled: torch.compile its forward. `average` is the
    prior with the moving average of the weights. What `step` returns stays on the device: nothing waits for it."""

    def __init__(self, prior, t, compiled=False):
        self.prior, self.t = prior, t
        self.net = torch.compile(prior) if compiled else prior
        self.average = copy.deepcopy(prior).eval()
        self.params = dict(prior.named_parameters())
        groups = [{"params": [p for k, p in self.params.items() if priors.decays(k, p) == d],
                   "weight_decay": t["weight_decay"] if d else 0} for d in (True, False)]
        cuda = next(prior.parameters()).is_cuda
        self.opt = torch.optim.AdamW(groups, lr=t["lr"], betas=tuple(t["betas"]), **({"fused": True} if cuda else {}))
        self.step_no, self.progress, self.cuda = 0, 0.0, cuda
        self.best = math.inf  # held-out cross-entropy so far

    def rate(self):
        """Learning rate now: linear warm-up, then cosine over `progress` down to lr * lr_final."""
        low = self.t["lr_final"]
        warm = min(1.0, (self.step_no + 1) / max(1, self.t["warmup"]))
        return self.t["lr"] * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress))))

    def drawn(self, tokens):
        """-> (masked tokens, places, given) of one step on tokens [B,N]."""
        given = torch.rand(len(tokens), device=tokens.device) >= self.t["drop"]
        return priors.mask(tokens, self.prior.codes) + (given,)

    def step(self, tokens, masked, places, words=None, label=None, given=None):
        """One step -> (loss, norm of the gradient before clipping). Arguments as of Prior.forward and priors.loss."""
        self.net.train()
        with torch.autocast("cuda" if self.cuda else "cpu", torch.bfloat16, enabled=self.cuda):
            logits = self.net(masked, words, label, given)
        return self.learn(priors.loss(logits, tokens, places, self.t["smoothing"]))

    def learn(self, loss):
        """Gradient, AdamW and moving average of one step -> (loss, norm of the gradient before clipping)."""
        for g in self.opt.param_groups:
            g["lr"] = self.rate()
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(self.params.values()), self.t["clip"] or math.inf)
        self.opt.step()
        self.step_no += 1
        d = min(self.t["ema"], (1 + self.step_no) / (10 + self.step_no))
        with torch.no_grad():
            average = list(self.average.parameters())
            torch._foreach_mul_(average, d)
            torch._foreach_add_(average, [p.detach() for p in self.params.values()], alpha=1 - d)
        return loss.detach(), norm

    def tensors(self):
        """Everything that going on needs: name -> tensor."""
        out = {"prior." + k: p.detach() for k, p in self.params.items()}
        out.update({"ema.prior." + k: p.detach() for k, p in self.average.named_parameters()})
        for name, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
            for k, p in self.params.items():
                out["adam.%s.prior.%s" % (name, k)] = self.opt.state.get(p, {}).get(key, torch.zeros_like(p))
        out["state.step"] = torch.tensor([self.step_no])
        out["state.progress"], out["state.best"] = torch.tensor([self.progress]), torch.tensor([self.best])
        return out

    @torch.no_grad()
    def restore(self, t):
        """t: the tensors of a checkpoint."""
        self.step_no, self.progress = int(t["state.step"][0]), float(t["state.progress"][0])
        self.best = float(t["state.best"][0])
        average = dict(self.average.named_parameters())
        for k, p in self.params.items():
            p.copy_(t["prior." + k])
            average[k].copy_(t["ema.prior." + k])
            m, v = (t["adam.%s.prior.%s" % (n, k)].to(p) for n in "mv")
            step = torch.tensor(float(self.step_no), device=p.device if self.cuda else "cpu")
            self.opt.state[p] = {"step": step, "exp_avg": m, "exp_avg_sq": v}


@torch.no_grad()
def cross_entropy(prior, tokens, words=None, label=None, seed=0, rounds=4, batch=512):
    """Nats per masked place over tokens [n,N], masks drawn from `seed` as in training, without smoothing. words: the
    prompts belong to the rows."""
    g = torch.Generator(tokens.device).manual_seed(seed)
    total = count = 0.0
    for _ in range(rounds):
        for i in range(0, len(tokens), batch):
            t = tokens[i:i + batch]
            masked, places = priors.mask(t, prior.codes, g)
            rows = None if words is None else (words[0], words[1][i:i + batch])
            logits = prior(masked, rows, None if label is None else label[i:i + batch])
            total += float(priors.loss(logits, t, places)) * int(places.sum())
            count += int(places.sum())
    return total / count
