"""Train a prior over a tokenizer's codes: python3 tools/train_prior.py MODEL DIR... -c CONFIG.json -o OUT.safetensors

MODEL is a model file (tesserae.export makes one). The folders hold pictures or sheets of tiles of grid x factor
pixels, and maybe index.jsonl with a caption (or a name), or a "class", for each (tesserae/tiles.py). CONFIG has "prior"
and "train": {"prior": ..}; tools/priors/ has some. OUT is MODEL with the prior in it (moving average, float16),
OUT.ckpt the checkpoint: written every --save seconds, on SIGTERM and at the end, and gone on from when it exists.

Report lines give the cross-entropy in nats per masked place of held-out tiles, of as many from the training set, and of
the held-out without their condition; the same masks every time.
"""
import argparse
import json
import os
import signal
import time

import torch

from tesserae import export, file, prior as priors, prior_trainer, tiles, words


@torch.no_grad()
def tokenize(model, pictures, device, batch=256):
    """uint8 [n,H,W,3] -> tokens int64 [n,places] on the device; float32 throughout."""
    model = model.to(device)
    return torch.cat([model.tokens(tiles.images(pictures[i:i + batch].to(device)))[0].flatten(1)
                      for i in range(0, len(pictures), batch)])


def prompts(captions, text):
    """Captions of n tiles -> (lexicon, int64 [n][most captions of one][words]): lists that are shorter start again."""
    most = max(map(len, captions))
    flat = [c[i % len(c)] for c in captions for i in range(most)]
    lexicon, ids = words.read(flat, text["words"], text["buckets"])
    return lexicon, ids.reshape(len(captions), most, -1)


class Data:
    """All tokens and conditions of some tiles on the device."""

    def __init__(self, tokens, lexicon, ids, label):
        self.tokens, self.lexicon, self.ids, self.label = tokens, lexicon, ids, label

    def part(self, rows, caption=None):
        """-> (tokens, words, label) of rows [B]; caption: which of each tile's to take, int64 [B] or a number."""
        given = None if self.ids is None else (self.lexicon, self.ids[rows, caption])
        return self.tokens[rows], given, None if self.label is None else self.label[rows]

    def batch(self, n, rows):
        """n of `rows` at random, each with one of its captions."""
        device = rows.device
        pick = rows[torch.randint(len(rows), (n,), device=device)]
        return self.part(pick, None if self.ids is None else
                         torch.randint(self.ids.shape[1], (n,), device=device))


def load(a, c, device):
    """-> (Data of all tiles, rows to learn from, rows held out)."""
    model = export.load(a.model)
    height, width = (n * model.factor for n in c["grid"])
    t = tiles.read(a.folders, height, width, a.holdout, a.key, a.limit)
    tokens = tokenize(model, t.pictures, device)
    lexicon = ids = label = None
    if "text" in c:
        lexicon, ids = prompts(t.captions, c["text"])
        lexicon, ids = words.Lexicon(*(v.to(device) for v in lexicon)), ids.to(device)
    elif c["classes"]:
        label = torch.tensor([r["class"] for r in t.records], device=device)
    return Data(tokens, lexicon, ids, label), (~t.held).nonzero()[:, 0].to(device), t.held.nonzero()[:, 0].to(device)


def judge(tr, data, rows, free=False):
    tokens, given, label = data.part(rows, 0)
    if free:
        given = label = None
    return prior_trainer.cross_entropy(tr.average, tokens, given, label, rounds=4 if tr.cuda else 1)


def report(tr, data, train, held, mean, rate):
    """Prints a line -> held-out cross-entropy."""
    line = "%6d %3.0f%% lr %.1e loss %.4f norm %.2f" % (tr.step_no, 100 * tr.progress, tr.rate(), *mean)
    value = None
    if len(held):
        value = judge(tr, data, held)
        line += " | held %.4f train %.4f free %.4f" % (
            value, judge(tr, data, train[::max(1, len(train) // len(held))]), judge(tr, data, held, True))
    print(line + " | %.0f tiles/s" % rate, flush=True)
    return value


def run(tr, a, data, train, held):
    """Steps until the schedule or SIGTERM ends them."""
    t, start, stop = tr.t, tr.progress, []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    begun = saved = seen = time.time()
    sums, steps = torch.zeros(2, device=data.tokens.device), 0
    progress = lambda: (start + (1 - start) * (time.time() - begun) / (60 * a.minutes) if a.minutes else
                        tr.step_no / t["steps"])
    while not stop and progress() < 1:
        tr.progress = progress()
        tokens, given, label = data.batch(t["batch"], train)
        masked, places, kept = tr.drawn(tokens)
        sums += torch.stack(tr.step(tokens, masked, places, given, label, kept))
        steps += 1
        if tr.step_no % a.every == 0:
            mean = (sums / steps).tolist()  # waits for the device
            rate = steps * t["batch"] / (time.time() - seen)
            if not all(abs(v) < float("inf") for v in mean):
                raise SystemExit("step %d: the loss is not finite; the checkpoint is of before" % tr.step_no)
            value = report(tr, data, train, held, mean, rate)
            if a.best and value is not None and value < tr.best:
                tr.best = value
                export.with_prior(a.model, a.best, tr.average, t)
            sums.zero_()
            steps, seen = 0, time.time()
        if time.time() - saved > a.save:
            file.write(a.out + ".ckpt", tr.tensors())
            saved = time.time()
    tr.progress = min(1.0, progress())
    file.write(a.out + ".ckpt", tr.tensors())
    export.with_prior(a.model, a.out, tr.average, t)


def main():
    a = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(a.threads)
    torch.backends.cudnn.allow_tf32 = False  # the tokens are to be the C core's
    with open(a.config, encoding="utf-8") as f:
        given = json.load(f)
    c, t = priors.complete(given["prior"]), prior_trainer.complete(given.get("train", {}).get("prior", {}))
    size = priors.codes(export.load(a.model).config["quantizer"])
    begun = time.time()
    data, train, held = load(a, c, device)
    print("%d tiles to learn from, %d held out, %d words; read in %.0f s" % (
        len(train), len(held), 0 if data.lexicon is None else len(data.lexicon.offsets) - 1, time.time() - begun))
    torch.manual_seed(t["seed"])
    tr = prior_trainer.PriorTrainer(priors.Prior(c, size).to(device), t, a.compile)
    if os.path.exists(a.out + ".ckpt"):
        tr.restore(file.read(a.out + ".ckpt")[0])
        torch.manual_seed(t["seed"] + tr.step_no)
    count = sum(p.numel() for p in tr.params.values())
    print("%.2f M parameters, from step %d" % (count / 1e6, tr.step_no), flush=True)
    run(tr, a, data, train, held)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("folders", nargs="+")
    p.add_argument("-c", "--config", required=True)
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--best", metavar="FILE", help="where to put the model of the lowest held-out cross-entropy, too")
    p.add_argument("--holdout", type=int, default=0, help="tiles kept out: the last of each set (tesserae/tiles.py)")
    p.add_argument("--key", default="caption", help="of index.jsonl's texts")
    p.add_argument("--limit", type=int, help="tiles of each set")
    p.add_argument("--minutes", type=float, help="lay the rest of the schedule over so much time, not over steps")
    p.add_argument("--save", type=float, default=180, help="seconds between checkpoints")
    p.add_argument("--every", type=int, default=500, help="steps between report lines")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--compile", action="store_true", help="torch.compile (2.0 or later)")
    return p.parse_args()


if __name__ == "__main__":
    main()
