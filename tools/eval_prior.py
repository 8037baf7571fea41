"""What a prior makes of held-out captions or classes: python3 tools/eval_prior.py MODEL DIR... --holdout N [options]

MODEL holds a tokenizer and its prior; DIR and --holdout are those of train_prior.py, or the folders that make_sheets.py
wrote. Reports
- the tokenizer's PSNR of held-out pictures (mean of dB over pictures) and, with --heads, their LPIPS-squeeze;
- attributes, or classes: how often a classifier, trained here on the real pictures that are not held out, finds what
  the line of index.jsonl says: in held-out pictures, in what the tokenizer makes of them (the most a prior can reach),
  in samples for their captions, and in those samples against other captions (chance);
- Frechet distances (--features SQUEEZENET) from held-out pictures: of samples, of as many samples as there are such
  pictures, of reconstructions, of other reals; and of one half of the held-out from the other;
- how near samples lie to the training set, and held-out pictures do; --sheet shows samples over their neighbours;
- where lines have names, how often the nearest training picture has the name asked for.
With --seen the captions (--key name: bare names) are of pictures it was trained on: does it draw what it should know?
"""
import argparse
import json

import torch
import torch.nn.functional as F
from PIL import Image

from tesserae import attributes, export, file, frechet, losses, sample, tiles, words


def generate(a, model, prior, captions, records, device, batch=250):
    """Samples for the captions, or the classes of the records: images [n,3,H,W] in [-1,1] on the CPU."""
    g, out, text = torch.Generator(device).manual_seed(a.seed), [], prior.config.get("text")
    for i in range(0, len(captions), batch):
        part, given, label = captions[i:i + batch], None, None
        if text:
            lexicon, ids = words.read(part, text["words"], text["buckets"])
            given = words.Lexicon(*(t.to(device) for t in lexicon)), ids.to(device)
        elif prior.config["classes"]:
            label = torch.tensor([r["class"] for r in records[i:i + batch]], device=device)
        tokens = sample.sample(prior, len(part), given, label, a.steps, a.temperature, a.top_k, a.top_p, a.guidance,
                               a.order, generator=g)
        out.append(model.decode(tokens.reshape(1, len(part), *prior.config["grid"])).clamp(-1, 1).cpu())
    return torch.cat(out)


@torch.no_grad()
def rebuilt(model, x, device, batch=256):
    return torch.cat([model(p.to(device))[0].clamp(-1, 1).cpu() for p in x.split(batch)])


@torch.no_grad()
def fidelity(a, real, back):
    """Prints how near reconstructions are -> {"psnr": dB, "lpips": or None}."""
    psnr = float((-10 * torch.log10((real - back).square().mean((1, 2, 3)) / 4)).mean())
    lpips = None
    if a.features and a.heads:
        net = losses.Lpips.load(a.features, a.heads)
        lpips = sum(float(net(x, y)) * len(x) for x, y in zip(real.split(100), back.split(100))) / len(real)
    print("tokenizer: PSNR %.2f dB" % psnr + (", LPIPS %.4f" % lpips if lpips is not None else ""))
    return {"psnr": psnr, "lpips": lpips}


def classifier(a, t, learn, device):
    if a.classifier and not a.train_classifier:
        return attributes.load(a.classifier).to(device)
    net = attributes.train(t.pictures[learn], [t.records[i] for i in learn], attributes.named(t.records), device,
                           a.train_classifier or 1000)
    if a.classifier:
        attributes.save(net, a.classifier)
    return net


def rows_of_attributes(net, records, kinds):
    """Prints a table -> kind -> attribute -> share. kinds: name -> (pictures, records)."""
    found = {name: attributes.agreement(net, x, r) for name, (x, r) in kinds.items()}
    print("%-12s" % "" + "".join("%12s" % k for k in net.values) + "%12s" % "mean")
    for name, row in found.items():
        print("%-12s" % name + "".join("%12.3f" % v for v in row.values()) + "%12.3f" % (sum(row.values()) / len(row)))
    return found


def small(x):
    """What pictures are compared by where there are no features: their pixels at half the size."""
    return F.avg_pool2d(x, 2).flatten(1)


def sheet(path, made, near, columns=16):
    """Samples, each over its neighbour."""
    pairs = torch.cat([tiles.pictures(made), tiles.pictures(near)], 1)  # [n,2H,W,3]
    n = len(pairs) // columns * columns or len(pairs)
    columns = min(columns, n)
    h, w = pairs.shape[1:3]
    grid = pairs[:n].reshape(-1, columns, h, w, 3).transpose(1, 2).reshape(-1, columns * w, 3)
    Image.fromarray(grid.numpy()).save(path)


def main():
    a = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(a.threads)
    model, prior = export.load(a.model).to(device), export.load_prior(a.model).to(device)
    height, width = (n * model.factor for n in prior.config["grid"])
    t = tiles.read(a.folders, height, width, a.holdout, a.key, a.limit)
    held, learn = (v.nonzero()[:, 0].tolist() for v in (t.held, ~t.held))
    held = learn if a.seen else held
    pick = held[::max(1, len(held) // a.count)][:a.count]
    others = learn[::max(1, len(learn) // len(pick))][:len(pick)]
    real = tiles.images(t.pictures[pick])
    count = a.samples or len(pick)
    asked = [pick[i * len(pick) // count] for i in range(count)]  # each as often as the others
    records, wanted = [t.records[i] for i in pick], [t.records[i] for i in asked]
    made = generate(a, model, prior, [t.captions[i][0] for i in asked], wanted, device)
    back = rebuilt(model, real, device)
    print("%d samples, %d steps, guidance %g, %s" % (len(made), a.steps, a.guidance, a.order))
    result = {"samples": len(made), "tokenizer": fidelity(a, real, back)}

    if attributes.named(t.records) and not a.no_classifier:
        net = classifier(a, t, learn, device)
        strangers = [wanted[i] for i in torch.randperm(len(asked), generator=torch.Generator().manual_seed(1))]
        result["attributes"] = rows_of_attributes(net, records, {
            "real": (real, records), "rebuilt": (back, records), "samples": (made, wanted),
            "chance": (made, strangers)})
    measure = small
    if a.features:
        measure = frechet.Features(file.read(a.features)[0], device)
        of_real = measure(real)
        f = {"samples": measure(made), "as many samples": measure(made[[i * count // len(real) for i in range(len(real))]]), "rebuilt": measure(back),
             "other reals": measure(tiles.images(t.pictures[others]))}
        result["frechet"] = {k: frechet.distance(v, of_real) for k, v in f.items()}
        result["frechet"]["two halves of them"] = frechet.distance(of_real[::2], of_real[1::2])
        print("Frechet distance from %d held-out: " % len(real) +
              ", ".join("%s %.4g" % kv for kv in result["frechet"].items()))
    known = torch.cat([measure(tiles.images(t.pictures[learn[i:i + 512]])) for i in range(0, len(learn), 512)])
    (far, at), (usual, at_rebuilt) = (frechet.nearest(measure(x), known) for x in (made, back))
    result["nearest"] = {"samples": float(far.median()), "rebuilt": float(usual.median())}
    print("median distance to the nearest training picture (%s): samples %.4g, rebuilt held-out %.4g" % (
        "features" if a.features else "pixels", far.median(), usual.median()))
    if "name" in t.records[learn[0]]:
        result["named"] = {k: sum(t.records[learn[j]]["name"] == r["name"] for j, r in zip(index, rs)) / len(rs)
                           for k, index, rs in (("samples", at, wanted), ("rebuilt", at_rebuilt, records))}
        print("nearest training picture has the name asked for: samples %(samples).3f, rebuilt %(rebuilt).3f" %
              result["named"])
    if a.sheet:
        some = range(0, len(made), max(1, len(made) // a.shown))[:a.shown]
        sheet(a.sheet, made[some], tiles.images(t.pictures[[learn[at[i]] for i in some]]))
    if a.json:
        with open(a.json, "w", encoding="utf-8") as out:
            json.dump(result, out, indent=1)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("folders", nargs="+")
    p.add_argument("--holdout", type=int, default=0, help="not needed where lines say which are held out")
    p.add_argument("--seen", action="store_true", help="pictures it was trained on instead of held-out ones")
    p.add_argument("--count", type=int, default=800, help="held-out pictures to look at")
    p.add_argument("--samples", type=int, help="samples for their captions; one each if left out")
    p.add_argument("--key", default="caption", help="of index.jsonl's texts")
    p.add_argument("--limit", type=int, help="tiles of each set")
    p.add_argument("--classifier", help="file to read it from or, with --train-classifier, to write it to")
    p.add_argument("--train-classifier", type=int, default=0, metavar="STEPS", help="1000 without a file")
    p.add_argument("--no-classifier", action="store_true", help="leave attributes out")
    p.add_argument("--features", help="SqueezeNet 1.1 (.safetensors)")
    p.add_argument("--heads", help="LPIPS heads for it (.safetensors)")
    p.add_argument("--sheet", help="PNG of samples and their neighbours")
    p.add_argument("--shown", type=int, default=64, help="samples on the sheet")
    p.add_argument("--json", help="file for the figures")
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--guidance", type=float, default=0.0)
    p.add_argument("--temperature", type=float, default=1.0)
    p.add_argument("--top-k", type=int, default=0)
    p.add_argument("--top-p", type=float, default=1.0)
    p.add_argument("--order", choices=("halton", "confidence"), default="halton")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    return p.parse_args()


if __name__ == "__main__":
    main()
