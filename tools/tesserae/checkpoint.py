"""A trainer's state to and from a file that the C trainer reads and writes too (names: ARCHITECTURE.md)."""
import torch

from . import file


def counters(tr):
    """I64 [8]: skipped, skipped in a row, AdamW's steps, codes fitted, steps, batch, quantize_from, crops."""
    t = tr.t
    return torch.tensor([tr.skipped, 0, tr.adam_steps, int(tr.fitted), t["steps"], t["batch"],
                         t["quantize_from"], tr.step_no * t["batch"]])


def tensors(tr):
    """Everything that going on needs: name -> tensor."""
    out = dict(tr.params)
    out.update({"quantizer." + k: v for k, v in tr.model.quantizer.named_buffers() if k in file.QUANTIZER})
    out.update({"ema." + k: v for k, v in tr.ema.items()})
    for k, p in tr.params.items():
        state = tr.opt.state.get(p, {})
        for name, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
            out["adam.%s.%s" % (name, k)] = state.get(key, torch.zeros_like(p))
    if tr.adversary:
        out.update(tr.adversary.tensors(tr.sealed))
    out.update(tr.tables)
    out["state.step"] = torch.tensor([tr.step_no])
    out["state.counters"] = counters(tr)
    out["state.progress"] = torch.tensor([tr.progress], dtype=torch.float32)
    return {k: v.contiguous() for k, v in out.items()}


def save(tr, path):
    """Written by process 0."""
    if tr.world.rank == 0:
        file.write(path, tensors(tr), file.meta(tr.c))


@torch.no_grad()
def restore(tr, t):
    """t: the tensors of a checkpoint (file.read), the same in every process."""
    file.load_state(tr.model, t)
    tr.step_no, tr.progress = int(t["state.step"][0]), float(t["state.progress"][0])
    if tr.adversary:
        tr.adversary.restore(t)
        if "state.adversary_steps" in t and int(t["state.adversary_steps"][1]):
            tr.seal(sort=False)
    for k, p in tr.params.items():
        p.copy_(t[k])  # sealing put the moving average there
        tr.ema[k].copy_(t["ema." + k])
    tr.adam_steps, tr.fitted = tr.step_no, tr.step_no > tr.t["quantize_from"]
    if "state.counters" in t:
        tr.skipped, _, tr.adam_steps, tr.fitted, *_ = t["state.counters"].tolist()
    for k, p in tr.params.items():
        if tr.adam_steps and any(p is v for v in tr.learning):
            m, v = (t["adam.%s.%s" % (n, k)].to(p) for n in "mv")
            tr.opt.state[p] = {"step": torch.tensor(float(tr.adam_steps)), "exp_avg": m, "exp_avg_sq": v}
    tr.tables = {k: v for k, v in t.items() if k.startswith("entropy.")}
    tr.rng.seed(tr.t["seed"] + tr.step_no)
    torch.manual_seed(tr.t["seed"] + tr.step_no)


def begin(tr, t):
    """t: the tensors of a model or a checkpoint whose weights to start from. Frozen from step 0, the trainer keeps its
    codes, their order and its tables."""
    file.load_state(tr.model, t)
    tr.model.quantizer.settle()
    tr.ema = {k: v.detach().clone() for k, v in tr.params.items()}
    tr.t["quantize_from"], tr.fitted = 0, True
    if tr.adversary and tr.t["adversarial"]["freeze"] and tr.since >= 0:
        tr.tables = {k: v for k, v in t.items() if k.startswith("entropy.")}
        tr.seal(sort=False)
