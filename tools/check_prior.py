"""Do the parts of the prior hold together? python3 tools/check_prior.py

Half a minute; prints what holds, exits with 1 at what does not.
"""
import math
import os
import tempfile

import torch

from make_prior_fixtures import CASES, conditions, inputs, tokenizer, written
from tesserae import config, export, file, frechet, prior as priors, prior_trainer, quantizers, sample, words


def check(ok, what):
    if not ok:
        raise SystemExit("FAILED: " + what)
    print("ok: " + what)


def features():
    known = {b"": 0x811c9dc5, b"a": 0xe40c292c, b"foobar": 0xbf9cf968}  # from the FNV page of its authors
    check(all(words.fnv1a(k) == v for k, v in known.items()), "FNV-1a")
    check(words.split("Don't É 1-up!") == [b"don", b"t", "É".encode(), b"1", b"up"], "words")
    check(words.rows(b"ab", 2 ** 32) == [words.fnv1a(b) for b in (b"wab", b"g<ab", b"gab>")], "features of a word")
    check(len(words.rows(b"z" * 99, 64)) == 32, "features are 32 at most")


def losses():
    g = torch.Generator().manual_seed(1)
    logits, tokens = torch.randn(3, 5, 7, generator=g), torch.randint(7, (3, 5), generator=g)
    _, places = priors.mask(tokens, 7, g)
    p = logits.log_softmax(-1)
    each = 0.9 * p.gather(-1, tokens[..., None])[..., 0] + 0.1 * p.mean(-1)
    check(abs(priors.loss(logits, tokens, places, 0.1) + each[places].mean()) < 1e-6, "cross-entropy with smoothing")
    counts = priors.mask(torch.zeros(4000, 64, dtype=torch.int64), 7, g)[1].sum(1).double()
    check(counts.min() >= 1 and abs(counts.mean() / 64 - 2 / math.pi) < 0.02, "masks: 2/pi of the places on average")


def lookups():
    for q in (dict(config.VQ, size=32, dim=4, levels=3), {"type": "fsq", "bins": [8, 5, 4, 3, 2]},
              dict(config.LFQ, bits=6)):
        m = quantizers.make(q, dict(config.LOSS)).eval()
        r = m(torch.randn(2, config.latent_dim({"quantizer": q}), 5, 6) * 2)
        check((m.lookup(r.tokens) - r.z).abs().max() < 1e-6, q["type"] + " looks tokens up")


def sampling(net):
    g = torch.Generator().manual_seed(1)
    given = torch.randint(net.codes, (5, net.places), generator=g)
    keep = (torch.rand(1, net.places, generator=g).argsort(1) < 5).expand(5, -1)
    for order in ("halton", "confidence"):
        for steps in (1, 3, 40):
            x = sample.sample(net, 5, steps=steps, order=order, tokens=given, keep=keep, guidance=0.5, top_k=9,
                              top_p=0.8, generator=g)
            check((x < net.codes).all() and torch.equal(x[keep], given[keep]), "%s, %d steps" % (order, steps))
    check(sorted(sample.halton(7, 5)) == list(range(35)), "Halton order meets every place once")
    p = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = lambda **options: int(sample.narrowed(p, **options).isfinite().sum())
    check((kept(top_p=0.7), kept(top_p=0.81), kept(top_k=3), kept(temperature=0)) == (2, 3, 3, 1), "top-p, top-k")


def resuming(net, folder):
    """Six steps, and three with three more from a checkpoint."""
    def steps(tr, which):
        for i in which:
            tr.progress = i / 6
            tr.step(*(v[i] for v in batches[:3]), *conditions(net, batches[4][i], batches[3][i]))
    t, batches = prior_trainer.complete({"warmup": 2, "ema": 0.9}), inputs(net, 3)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    whole = prior_trainer.PriorTrainer(net, t)
    steps(whole, range(6))
    want = {k: v.clone() for k, v in whole.tensors().items()}
    net.load_state_dict(state)
    part = prior_trainer.PriorTrainer(net, t)
    steps(part, range(3))
    file.write(os.path.join(folder, "ckpt"), part.tensors())
    part = prior_trainer.PriorTrainer(priors.Prior(net.config, net.codes), t)
    part.restore(file.read(os.path.join(folder, "ckpt"))[0])
    steps(part, range(3, 6))
    got = part.tensors()
    check(all(torch.equal(got[k], v) for k, v in want.items() if k != "state.progress"), "a run goes on where it was")


def exporting(net, name, folder):
    c = written(name, CASES[name])
    del c["prior"], c["train"]
    path, out = (os.path.join(folder, f) for f in ("tokenizer", "model"))
    file.write(path, tokenizer(c, 1), file.meta(c))
    export.with_prior(path, out, net, prior_trainer.TRAIN)
    export.with_prior(out, out, net, prior_trainer.TRAIN)  # a second prior takes the first one's place
    (before, _), (after, meta) = file.read(path), file.read(out)
    check(all(torch.equal(after[k], v) and after[k].dtype == v.dtype for k, v in before.items()), "tokenizer untouched")
    check(file.config_of(meta) == {**c, "prior": net.config, "train": {"prior": prior_trainer.TRAIN}}, "config")
    back = export.load_prior(out)
    check(all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in zip(back.parameters(), net.parameters())), "prior")
    return export.load(out)


def learning():
    """Words say which of two codes fills which half of the grid: after some steps samples do as they are told. Without
    smoothing: with s of it a code drawn at temperature 1 is any code at all with probability s."""
    c = priors.complete({"grid": [4, 4], "width": 32, "layers": 2, "heads": 2, "hidden": 64, "dropout": 0.1,
                         "text": {"words": 4, "buckets": 64}})
    torch.manual_seed(1)
    net, texts = priors.Prior(c, 8), ["red over blue", "blue over red", "red over red", "blue over blue"]
    tokens = torch.tensor([[1] * 8 + [2] * 8, [2] * 8 + [1] * 8, [1] * 16, [2] * 16])
    lexicon, ids = words.read(texts, 4, 64)
    t = prior_trainer.complete({"lr": 3e-3, "warmup": 20, "ema": 0.95, "smoothing": 0})
    tr = prior_trainer.PriorTrainer(net, t)
    for i in range(250):
        tr.progress = i / 250
        rows = torch.randint(4, (32,))
        masked, places, given = tr.drawn(tokens[rows])
        tr.step(tokens[rows], masked, places, (lexicon, ids[rows]), None, given)
    got = sample.sample(tr.average, 200, (lexicon, ids.repeat(50, 1)), steps=4, guidance=1)
    right = float((got == tokens.repeat(50, 1)).all(1).float().mean())
    check(right > 0.9, "samples do as they are told (%.2f)" % right)
    ce = prior_trainer.cross_entropy(tr.average, tokens, (lexicon, ids))
    free = prior_trainer.cross_entropy(tr.average, tokens)
    check(ce < 0.3 < free, "the prompt tells something (%.3f nats left of %.3f)" % (ce, free))


def distances():
    a, b = torch.randn(40, 9) @ torch.randn(9, 9), torch.randn(50, 9) + 1
    ca, cb = (torch.cov(v.double().t()) for v in (a, b))
    want = (a.double().mean(0) - b.double().mean(0)).square().sum() + ca.trace() + cb.trace() - \
        2 * torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()
    check(abs(frechet.distance(a, b) - want) < 1e-3 and abs(frechet.distance(a, a)) < 1e-6, "Frechet distance")


def main():
    torch.manual_seed(1)
    features(), losses(), lookups(), distances()
    with tempfile.TemporaryDirectory() as folder:
        for name, c in CASES.items():
            net = priors.Prior(priors.complete(c), 32)
            exporting(net, name, folder)
            resuming(net, folder)
    sampling(net.eval())
    learning()


if __name__ == "__main__":
    main()
