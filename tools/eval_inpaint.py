"""Inpainting against OpenCV: python3 tools/eval_inpaint.py MODEL PICTURES -o CASES.csv --lpips TRUNK HEADS [--prior
PART]

Every case is a picture and one of ten masks (tesserae/strokes.py), 5 to 25 % of the area; LPIPS-squeeze of the
whole picture against the original, for Telea and Navier-Stokes with radius 3 and 5 and for ours. Cases that
CASES.csv has are kept; the first cases of all pictures come first. OpenCV (Debian's python3-opencv) is for this
comparison only.
"""
import argparse
import csv
import glob
import os

import cv2
import numpy as np
import torch

from tesserae import export, inpaint, losses, measure, strokes

METHODS = [(name + str(r), method, r) for name, method in (("telea", cv2.INPAINT_TELEA), ("ns", cv2.INPAINT_NS))
           for r in (3, 5)]
FIELDS = ["picture", "mask", "area"] + [m[0] for m in METHODS] + ["smooth", "ours"]


def pixels(x):
    return ((x[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def picture(a):
    return torch.from_numpy(a).permute(2, 0, 1)[None].float() / 127.5 - 1


def case(model, prior, lpips, x, mask, seed):
    """-> ({field: LPIPS}, our picture); of pictures rounded to bytes, as files have them."""
    hole, out = torch.from_numpy(mask), {}
    score = lambda y: round(lpips(x, y).item(), 5)
    for name, method, radius in METHODS:
        out[name] = score(picture(cv2.inpaint(pixels(x), mask.astype(np.uint8) * 255, radius, method)))
    y = pixels(inpaint.inpaint(model, x, hole, prior, generator=torch.Generator().manual_seed(seed)))
    assert (y[~mask] == pixels(x)[~mask]).all()  # outside the mask: the user's own pixels
    out["smooth"], out["ours"] = score(inpaint.smooth(x, hole)), score(picture(y))
    return out, y


def summary(path):
    with open(path, encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    value = lambda r, *names: min(float(r[n]) for n in names)
    best = lambda r: value(r, *(m[0] for m in METHODS))
    print("%d cases of %d pictures" % (len(rows), len({r["picture"] for r in rows})))
    for name in FIELDS[3:]:
        print("%-8s mean %.4f" % (name, np.mean([value(r, name) for r in rows])))
    print("best of OpenCV's for each case: mean %.4f" % np.mean([best(r) for r in rows]))
    for name in ("smooth", "ours"):
        wins = sum(value(r, name) < best(r) for r in rows)
        print("%-8s better than all of OpenCV's in %d of %d cases (%.0f %%)" % (
            name, wins, len(rows), 100 * wins / len(rows)))
    for low, high in ((0, 12), (12, 18), (18, 100)):
        part = [r for r in rows if low <= float(r["area"]) < high]
        if part:
            print("  area %d to %d %%: %d of %d, mean ratio %.3f" % (
                low, high, sum(value(r, "ours") < best(r) for r in part), len(part),
                np.mean([value(r, "ours") / best(r) for r in part])))


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(a.threads)
    model, lpips = export.load(a.model), losses.Lpips.load(*a.lpips)
    prior = export.load_conv_prior(a.prior, model.config["quantizer"]) if a.prior else None
    files = sorted(glob.glob(os.path.join(a.pictures, "*.png")))
    done, masks = set(), {}
    if os.path.exists(a.out):
        with open(a.out, encoding="utf-8") as f:
            done = {(r["picture"], int(r["mask"])) for r in csv.DictReader(f)}
    else:
        with open(a.out, "w", encoding="utf-8") as f:
            f.write(",".join(FIELDS) + "\n")
    for turn in range(a.turns):
        for i, path in enumerate(files):
            name, j = os.path.splitext(os.path.basename(path))[0], (i + turn) % 10
            if (name, j) in done:
                continue
            x = measure.load(path)
            masks[j] = strokes.mask(*x.shape[2:], 1 + j, 5 + 2 * j) if j not in masks else masks[j]
            with torch.no_grad():
                scores, y = case(model, prior, lpips, x, masks[j], 1 + j)
            with open(a.out, "a", encoding="utf-8") as f:
                f.write(",".join(str(v) for v in (name, j, round(100 * masks[j].mean(), 1), *scores.values())) + "\n")
            if a.save:
                cut = pixels(x).copy()
                cut[masks[j]] = 255
                telea = cv2.inpaint(pixels(x), masks[j].astype(np.uint8) * 255, 3, cv2.INPAINT_TELEA)
                strip = np.concatenate([cut, telea, y, pixels(x)], 1)
                cv2.imwrite(os.path.join(a.save, "%s-%d.png" % (name, j)), np.ascontiguousarray(strip[..., ::-1]))
    summary(a.out)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures", help="a folder of PNG files, 512 x 512, say: all of one size")
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), required=True)
    p.add_argument("--prior", metavar="PART", help="sample by this prior alone, not by exemplars")
    p.add_argument("--turns", type=int, default=10, help="masks of each picture")
    p.add_argument("--save", metavar="DIR", help="strips: picture with the hole, Telea, ours, original")
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


if __name__ == "__main__":
    main()
