"""Judge upscalers as they are shipped: python3 tools/eval_upscaler.py MODEL PART DIR --lpips TRUNK HEADS

PART is the part of MODEL's file that holds upscalers (float16 weights). Every PNG of DIR is reduced by PIL's bicubic
and enlarged again: mean PSNR in dB (RGB) and LPIPS-squeeze over all of them for PIL's bicubic and Lanczos, the smooth
and the sharp answer and what lies between them, all of 8 bits. --dirty also degrades the inputs as training does, the
same way every time. --sheet puts rows of crops into a PNG: bicubic, smooth, sharp, original.
"""
import argparse
import glob
import math
import os

import numpy as np
import torch
from PIL import Image

from tesserae import config, export, file, losses, measure, upscaler, upscaler_trainer as trainer


def pixels(y):
    """[1,3,H,W] in [-1,1] -> uint8 [H,W,3]."""
    return ((y[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy()


def tensor(a):
    return torch.from_numpy(np.asarray(a).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def reduced(y, factor, dirty, seed):
    """The input for the original y: what PIL makes of it, or with `dirty` what training might."""
    if dirty:
        torch.manual_seed(seed)
        return trainer.small(y, factor, dict(trainer.TRAIN, clean=0), np.random.default_rng(seed))
    im = Image.fromarray(pixels(y))
    return tensor(im.resize((im.width // factor, im.height // factor), Image.BICUBIC))


@torch.no_grad()
def enlarged(net, model, x, blends):
    """name -> picture of 8 bits, [1,3,H,W]."""
    small = Image.fromarray(pixels(x))
    size = (small.width * net.factor, small.height * net.factor)
    out = {"bicubic": small.resize(size, Image.BICUBIC), "lanczos": small.resize(size, Image.LANCZOS)}
    smooth, sharp, _, _ = upscaler.answers(net, model, upscaler.padded(x, net.factor))
    for name, s in [("smooth", 0.0), *(("%g" % s, s) for s in blends), ("sharp", 1.0)]:
        out[name] = pixels((smooth + s * (sharp - smooth))[:, :, :size[1], :size[0]])
    return {k: tensor(v) for k, v in out.items()}


@torch.no_grad()
def judge(net, model, lpips, names, dirty, blends):
    """Prints means over the pictures -> name -> [(PSNR, LPIPS), ..]."""
    rows = {}
    for i, f in enumerate(names):
        y = measure.load(f)
        y = y[:, :, :y.shape[2] // net.factor * net.factor, :y.shape[3] // net.factor * net.factor]
        for k, out in enlarged(net, model, reduced(y, net.factor, dirty, i), blends).items():
            psnr = 10 * math.log10(4 / (out - y).square().mean().item())
            rows.setdefault(k, []).append((psnr, lpips(y, out).item()))
    print("x%d%s, %d pictures" % (net.factor, ", degraded" if dirty else "", len(names)))
    for k, v in rows.items():
        print("  %-8s %6.2f dB %7.4f" % (k, *np.mean(v, 0)), flush=True)
    return rows


def sheet(net, model, names, path, side=240):
    """A PNG of rows, one a picture: the middle side x side px of bicubic, smooth, sharp, original."""
    rows = []
    for f in names:
        y = measure.load(f)
        out = enlarged(net, model, reduced(y, net.factor, False, 0), ())
        top, left = (y.shape[2] - side) // 2, (y.shape[3] - side) // 2
        rows.append(np.concatenate([pixels(v[:, :, top:top + side, left:left + side])
                                    for v in (out["bicubic"], out["smooth"], out["sharp"], y)], 1))
    Image.fromarray(np.concatenate(rows)).save(path)


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    model, nets = export.load(a.model), upscaler.load(a.part)
    lpips = losses.Lpips.load(*a.lpips)
    names = sorted(glob.glob(os.path.join(a.folder, "*.png")))[::a.every]
    for factor in a.factors:
        for dirty in (False, True)[:1 + a.dirty]:
            judge(nets[factor], model, lpips, names, dirty, a.blends)
        if a.sheet:
            sheet(nets[factor], model, names[:a.rows], a.sheet % factor)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("part")
    p.add_argument("folder")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), required=True)
    p.add_argument("--factors", type=int, nargs="+", default=[4, 2])
    p.add_argument("--every", type=int, default=1, help="take every n-th picture")
    p.add_argument("--blends", type=float, nargs="*", default=[0.5], help="values of sharpness between 0 and 1")
    p.add_argument("--dirty", action="store_true")
    p.add_argument("--sheet", metavar="PNG", help="name with %%d for the factor")
    p.add_argument("--rows", type=int, default=6)
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


if __name__ == "__main__":
    main()
