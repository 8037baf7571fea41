"""Tokens of many pictures on disk, made once: shards NAME.u16 (int16 [places][levels], pictures one after another, rows
first) with NAME.json (its pictures: [first place, rows, columns]). A shard counts once its .json is there.
"""
import glob
import json
import os

import numpy as np
import torch
from PIL import Image, ImageOps


def picture(path, scale, flip, shift):
    """A picture file, scaled, mirrored and without its first `shift` columns and rows -> [1,3,H,W] in [-1,1], sides
    multiples of 8."""
    with Image.open(path) as im:
        im = ImageOps.exif_transpose(im).convert("RGB")
    if scale != 1:
        im = im.resize([max(1, round(n * scale)) for n in im.size], Image.LANCZOS)
    a = np.asarray(im)[shift[1]:, shift[0]:]
    a = a[:a.shape[0] // 8 * 8, :a.shape[1] // 8 * 8]
    x = torch.from_numpy(np.array(a[:, ::-1] if flip else a))
    return x.permute(2, 0, 1)[None].float() / 127.5 - 1


def level_0(lam):
    """Level 0's lambda per level, as src/engine/choice.c has it."""
    return 0.35 * lam


@torch.no_grad()
def choose(quantizer, z, lam):
    """Latents [1,D,h,w] -> tokens int16 [h*w,L]: nearest codes, `lam` per bit of code length."""
    r, out = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]), []
    for l in range(quantizer.q["levels"]):
        k = torch.cat([quantizer.choose(part, l, lam if l else level_0(lam)) for part in r.split(1024)])
        r = r - quantizer.codebook[l][k]
        out.append(k)
    return torch.stack(out, 1).to(torch.int16)


@torch.no_grad()
def make(model, files, out, scale, flip, most, seed):
    """Writes two shards of `files`: out.0 by nearest codes, out.1 with a lambda up to `most` for each picture, on a
    square root scale. Shifts are drawn from `seed`, and are no multiples of 8 for a seed other than 0."""
    rng = np.random.default_rng(seed)
    parts, index, at = ([], []), [], 0
    for f in files:
        shift = rng.integers(1, 8, 2) if seed else (0, 0)
        lam = float(rng.random() ** 2 * most)
        x = picture(f, scale, flip, shift)
        if min(x.shape[2:]) < 8:
            continue
        z = model.encoder(x)
        for tokens, value in zip(parts, (0.0, lam)):
            tokens.append(choose(model.quantizer, z, value).numpy())
        index.append([at, z.shape[2], z.shape[3]])
        at += z.shape[2] * z.shape[3]
    for i, tokens in enumerate(parts):
        np.concatenate(tokens).tofile("%s.%d.u16" % (out, i))
        with open("%s.%d.tmp" % (out, i), "w", encoding="utf-8") as f:
            json.dump(index, f)
        os.replace("%s.%d.tmp" % (out, i), "%s.%d.json" % (out, i))


class Crops:
    """Random crops of side x side places from all shards of a folder that have such pictures."""

    def __init__(self, folder, side, levels, seed):
        self.folder, self.side, self.levels = folder, side, levels
        self.rng, self.names = np.random.default_rng(seed), None
        self.refresh()

    def refresh(self):
        """Takes in shards made since."""
        names = sorted(glob.glob(os.path.join(self.folder, "*.json")))
        if names == self.names:
            return
        self.names, self.pictures, area = names, [], []
        for name in names:
            tokens = np.memmap(name[:-4] + "u16", np.int16, "r").reshape(-1, self.levels)
            with open(name, encoding="utf-8") as f:
                for at, h, w in json.load(f):
                    if min(h, w) >= self.side:
                        self.pictures.append((tokens, at, h, w))
                        area.append(h * w)
        if not area:
            raise ValueError("no tokens in %s" % self.folder)
        self.edge = np.cumsum(np.array(area) / sum(area))

    def batch(self, n):
        """-> int64 [L,n,side,side]."""
        s, out = self.side, np.empty((n, self.side, self.side, self.levels), np.int16)
        for i in range(n):
            pick = int(np.searchsorted(self.edge, self.rng.random()))
            tokens, at, h, w = self.pictures[min(pick, len(self.edge) - 1)]
            y, x = self.rng.integers(h - s + 1), self.rng.integers(w - s + 1)
            out[i] = tokens[at:at + h * w].reshape(h, w, -1)[y:y + s, x:x + s]
        return torch.from_numpy(out.astype(np.int64)).permute(3, 0, 1, 2)
