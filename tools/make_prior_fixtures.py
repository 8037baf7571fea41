"""Write tests/fixtures/twin/prior_*.safetensors, what priors in the C core must reproduce:
python3 tools/make_prior_fixtures.py

Every value is computed in float64 from float32 weights and stored as float32.
"""
import os

import torch

from make_fixtures import OUT, conv, f32, op, randomise, rounded
from tesserae import config, export, file, model, prior as priors, prior_trainer, sample, words

STEPS, BATCH = 6, 4
CODEC = {"encoder": [op("unshuffle", factor=4), conv(8, 1), op("gelu"), conv(4, 1)],
         "decoder": [conv(8, 1), op("gelu"), conv(48, 1), op("shuffle", factor=4)]}
SMALL = {"width": 12, "layers": 1, "heads": 2, "hidden": 20, "dropout": 0}
CASES = {
    "prior_text": {"grid": [4, 4], "width": 32, "layers": 2, "heads": 2, "hidden": 64, "dropout": 0,
                   "text": {"words": 4, "buckets": 64}},
    "prior_class": dict(SMALL, grid=[3, 5], classes=3),
    "prior_plain": dict(SMALL, grid=[2, 3])}
TRAIN = {"batch": BATCH, "steps": STEPS, "lr": 3e-3, "warmup": 2, "lr_final": 0.1, "betas": [0.9, 0.96],
         "weight_decay": 0.045, "clip": 0.5, "ema": 0.95, "smoothing": 0.1, "drop": 0.1, "seed": 1}
PROMPTS = ["Red-haired girl, NAÏVE café owner", "", "x", "pixel art  face; 2 glasses, hat"]
TEXTS = PROMPTS + ["a", "Ab", "!?", "don't", "\U0001f600 smile \u00c4\u00e4", "z" * 40,
                   "I18N_2 one two three four five"]


def written(name, c):
    """The config of the model file."""
    vq = {"type": "vq", "update": "ema", "levels": 1, "size": 32, "dim": 4}
    return {"format": 1, "name": name, "range": [-1, 1], **CODEC, "quantizer": vq, "prior": c,
            "train": {"prior": TRAIN}}


def tokenizer(c, seed):
    """Tensors of a random tokenizer."""
    m = model.Autoencoder(config.complete(c))
    randomise(m, seed)
    g = torch.Generator().manual_seed(seed)
    m.quantizer.codebook.copy_(torch.randn(m.quantizer.codebook.shape, generator=g))
    return export.model_tensors(m)


def inputs(net, seed):
    """Tokens, masked tokens, masked places, which conditions are given and classes of STEPS batches:
    [STEPS,BATCH,..]."""
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(net.codes, (STEPS * BATCH, net.places), generator=g)
    masked, places = priors.mask(tokens, net.codes, g)
    given = torch.arange(STEPS * BATCH) % 5 != 3
    label = torch.randint(max(1, net.config["classes"]), (STEPS * BATCH,), generator=g)
    return [t.reshape(STEPS, BATCH, *t.shape[1:]) for t in (tokens, masked, places, given, label)]


def conditions(net, label, given):
    """Arguments of Prior.forward after the tokens."""
    text = net.config.get("text")
    return (words.read(PROMPTS, text["words"], text["buckets"]) if text else None,
            label if net.config["classes"] else None, given)


def first_pass(net, tokens, masked, places, given, label, out):
    logits = net(masked, *conditions(net, label, given))
    out["loss.plain"] = priors.loss(logits, tokens, places).reshape(1)
    loss = priors.loss(logits, tokens, places, TRAIN["smoothing"])
    loss.backward()
    out.update({"logits": logits, "loss": loss.reshape(1)})
    out.update({"grad.prior." + k: p.grad.clone() for k, p in net.named_parameters()})
    out["logits.free"] = net(masked)  # no condition


def case(name, c, seed):
    """-> (tensors of the model file, its config, tensors of the values)."""
    net = priors.Prior(priors.complete(c), 32).double()
    randomise(net, seed)
    weights = {"prior." + k: p.detach().float() for k, p in net.named_parameters()}
    tokens, masked, places, given, label = inputs(net, seed)
    out = {"tokens": tokens.int(), "masked": masked.int(), "places": places.byte(), "given": given.byte()}
    if c.get("classes"):
        out["label"] = label.int()
    first_pass(net, tokens[0], masked[0], places[0], given[0], label[0], out)
    tr, rows = prior_trainer.PriorTrainer(net, TRAIN), []
    for i in range(STEPS):
        tr.progress = i / STEPS
        rows.append(tr.step(tokens[i], masked[i], places[i], *conditions(net, label[i], given[i])))
    out["train.loss"], out["train.norm"] = (torch.stack(v) for v in zip(*rows))
    if c.get("classes"):  # the losses tell about the others
        out.update({k.replace("prior.", "final.prior.", 1): v for k, v in tr.tensors().items()
                    if k.startswith(("prior.", "ema.prior."))})
    print("%-12s seed %d: loss %.4f, then %s" % (name, seed, out["loss"], out["train.loss"].tolist()))
    return {**tokenizer(written(name, c), seed), **weights}, written(name, c), f32(out)


def tables():
    """Words and their rows, Halton orders, schedules: integers that every build must have equal."""
    out = {}
    for i, text in enumerate(TEXTS):
        found = [words.rows(w, 4096) for w in words.split(text, 4)]
        table = torch.full((4, words.MOST), -1, dtype=torch.int32)
        for row, features in zip(table, found):
            row[:len(features)] = torch.tensor(features)
        out.update({"text.%d" % i: torch.tensor(list(text.encode()), dtype=torch.uint8), "rows.%d" % i: table})
    for rows, columns in ((1, 1), (4, 4), (8, 8), (3, 5), (16, 9)):
        out["halton.%dx%d" % (rows, columns)] = torch.tensor(sample.halton(rows, columns), dtype=torch.int32)
    for count, steps in ((64, 12), (64, 1), (5, 12), (256, 32)):
        left = [count]
        for t in range(steps):
            left.append(sample.masked_after(t, steps, count, left[-1]) if left[-1] else 0)
        out["schedule.%dx%d" % (count, steps)] = torch.tensor(left[1:], dtype=torch.int32)
    return out


def main():
    put = lambda name, tensors, meta=None: file.write(os.path.join(OUT, name + ".safetensors"), tensors, meta)
    for seed, (name, c) in enumerate(CASES.items(), 1):
        model_, c, values = case(name, c, seed)
        put(name, model_, file.meta(c))
        put(name + "_values", values)
    put("prior_tables", tables())


if __name__ == "__main__":
    main()
