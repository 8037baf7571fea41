"""Rate and quality of a model or checkpoint on PNGs, before any entropy coder: python3 -m tesserae.measure FILE DIR

One row per operating point. Rate: order-0 entropy of all images' tokens together, per level. A context model does much
better; the figures that count come from `tesserae encode`.
"""
import argparse
import glob
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from . import export, losses


def load(path):
    a = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(a.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def entropy(tokens, size):
    """Bits per token of one level's tokens."""
    p = torch.bincount(tokens.flatten(), minlength=size).double()
    p = p[p > 0] / p.sum()
    return float(-(p * p.log2()).sum())


def point(model, images, latents, levels, lam, lpips, keep=None):
    """-> (bits per pixel, PSNR, MS-SSIM, LPIPS), means over the images (rate: pooled)."""
    tokens, rows = [], []
    for i, (x, z) in enumerate(zip(images, latents)):
        q = model.quantizer(z, levels, lam)
        y = ((model.decoder(q.z).clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
        tokens.append(q.tokens.flatten(1))
        psnr = 10 * math.log10(4 / F.mse_loss(y, x).item())
        rows.append((psnr, losses.ms_ssim(x, y).item(), lpips(x, y).item() if lpips else math.nan))
        if keep:
            a = ((torch.cat([x, y], 3)[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
            Image.fromarray(a).save(keep % i)
    size = model.config["quantizer"].get("size") or math.prod(model.config["quantizer"].get("bins", [1]))
    bits = sum(entropy(l, size) for l in torch.cat(tokens, 1))
    return (bits / model.factor ** 2,) + tuple(np.mean(rows, 0))


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file")
    p.add_argument("folder")
    p.add_argument("--limit", type=int, default=8)
    p.add_argument("--points", default="1:0,2:0,6:0,6:1,6:0.3,6:0.1,6:0.03", help="levels:lambda, comma separated")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"))
    p.add_argument("--keep", help="folder for pictures, original and decoded side by side")
    p.add_argument("--live", action="store_true")
    a = p.parse_args()
    model = export.load(a.file, a.live)
    lpips = losses.Lpips.load(*a.lpips) if a.lpips else None
    images = [load(f) for f in sorted(glob.glob(os.path.join(a.folder, "*.png")))[:a.limit]]
    latents = [model.encoder(x) for x in images]
    flat = torch.cat([z.permute(0, 2, 3, 1).flatten(0, 2) for z in latents])
    print("latent std %.3f, per axis of variance %s" % (flat.std(), " ".join(
        "%.2f" % v for v in torch.linalg.eigvalsh(torch.cov(flat.t())).flip(0).clamp(min=0).sqrt())))
    print("levels  lambda    bpp    PSNR  MS-SSIM   LPIPS")
    for text in a.points.split(","):
        n, lam = text.split(":")
        keep = os.path.join(a.keep, "n%s_l%s_%%02d.png" % (n, lam)) if a.keep else None
        row = point(model, images, latents, int(n), float(lam), lpips, keep)
        print("%6s %7s %6.3f %7.2f %8.4f %7.4f" % ((n, lam) + row), flush=True)


if __name__ == "__main__":
    main()
