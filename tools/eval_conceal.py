"""What to put where an entropy tile is lost: python3 tools/eval_conceal.py MODEL PICTURES --prior PART

Of every picture the middle 384 x 256 pixels, cut in 24 tiles of 8 x 8 tokens; one tile at a time is lost. Prints
the mean PSNR of the whole for a grey tile, the neighbours' blend (src/engine/conceal.c), exemplars
(tesserae/exemplar.py, guided by the blend), and the prior: samples, and the expected value of one to four levels.
"""
import argparse
import glob
import math
import os

import torch

from tesserae import exemplar, export, inpaint, measure

SIDE, ROWS, COLUMNS = 8, 4, 6


def blend(z, tile):
    """conceal.c's latents of a lost tile (y, x): those beside it on the same row and column, by inverse distance."""
    z, (_, h, w) = z.clone(), z.shape
    y0, x0 = tile
    for y in range(y0, y0 + SIDE):
        for x in range(x0, x0 + SIDE):
            sides = [(y, x0 - 1), (y, x0 + SIDE), (y0 - 1, x), (y0 + SIDE, x)]
            near = [(1 / (abs(v - y) + abs(u - x)), v, u) for v, u in sides if 0 <= v < h and 0 <= u < w]
            z[:, y, x] = sum(k * z[:, v, u] for k, v, u in near) / sum(k for k, _, _ in near)
    return z


def psnr(x, y):
    return 10 * math.log10(4 / (x - y.clamp(-1, 1)).square().mean().item())


@torch.no_grad()
def answers(model, prior, x, tile, seed):
    """-> {name: PSNR of the whole}."""
    tokens = model.tokens(x)
    z = model.quantizer.lookup(tokens)
    lost = torch.zeros(z.shape[2:], dtype=torch.bool)
    lost[tile[0]:tile[0] + SIDE, tile[1]:tile[1] + SIDE] = True
    near = blend(z[0], tile)[None]
    whole, out = model.decoder(z), {}
    place = lost.repeat_interleave(model.factor, 0).repeat_interleave(model.factor, 1)
    out["nothing lost"], out["grey"] = psnr(x, whole), psnr(x, whole.masked_fill(place, 0))
    one = model.quantizer.lookup(model.quantizer(near, 1).tokens)
    out["neighbours, one level"] = psnr(x, model.decoder(torch.where(lost, one, z)))
    out["neighbours"] = psnr(x, model.decoder(torch.where(lost, near, z)))
    copied = exemplar.fill(tokens, z[0], lost, near[0])
    out["exemplars"] = psnr(x, model.decode(copied))
    g = torch.Generator().manual_seed(seed)
    for name, o in (("prior, sampled at 1", dict(temperature=1.0)), ("prior, sampled at .5", dict(temperature=0.5)),
                    ("prior, expected, 1 level", dict(steps=(), mean=1)),
                    ("prior, expected, 3", dict(steps=(), mean=3))):
        filled, _ = inpaint.latents(model, prior, tokens, lost, inpaint.DEFAULTS._replace(**o), g)
        out[name] = psnr(x, model.decoder(filled))
        if "1 level" in name:
            out["prior and neighbours"] = psnr(x, model.decoder(torch.where(lost, (filled + near) / 2, z)))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures")
    p.add_argument("--prior", required=True, metavar="PART")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    model = export.load(a.model)
    prior = export.load_conv_prior(a.prior, model.config["quantizer"])
    h, w, rows = ROWS * SIDE * model.factor, COLUMNS * SIDE * model.factor, []
    for i, path in enumerate(sorted(glob.glob(os.path.join(a.pictures, "*.png")))):
        x = measure.load(path)
        y0, x0 = (x.shape[2] - h) // 16 * 8, (x.shape[3] - w) // 16 * 8
        tile = (7 * i + 3) % (ROWS * COLUMNS)
        rows.append(answers(model, prior, x[:, :, y0:y0 + h, x0:x0 + w],
                            (tile // COLUMNS * SIDE, tile % COLUMNS * SIDE), i))
    print("%d pictures, one tile of %d lost" % (len(rows), ROWS * COLUMNS))
    for name in rows[0]:
        gain = [r[name] - r["grey"] for r in rows]
        print("%-26s PSNR %.2f dB, over grey %+.2f mean, %+.2f least" % (
            name, sum(r[name] for r in rows) / len(rows), sum(gain) / len(rows), min(gain)))


if __name__ == "__main__":
    main()
