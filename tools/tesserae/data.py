"""Random crops from a folder of photos, decoded once and kept as bytes in memory."""
import glob
import os

import numpy as np
import torch
from PIL import Image, ImageOps


class Crops:
    """Images of the folders, at least `size` px both ways and not named in `skip`; batch() draws crops. With `tile`
    every picture is a sheet of square images of that side."""

    def __init__(self, folders, size, flip, seed, skip=(), limit=None, tile=None):
        names = [f for d in folders for f in sorted(glob.glob(os.path.join(d, "*")))
                 if f.lower().endswith((".jpg", ".jpeg", ".png")) and os.path.basename(f) not in skip][:limit]
        self.images = []
        for f in names:
            with Image.open(f) as im:
                a = np.asarray(ImageOps.exif_transpose(im).convert("RGB"))
            if tile:
                self.images += [a[y:y + tile, x:x + tile] for y in range(0, a.shape[0] - tile + 1, tile)
                                for x in range(0, a.shape[1] - tile + 1, tile)]
            elif min(a.shape[:2]) >= size:
                self.images.append(a)
        if not self.images or tile and tile < size:
            raise ValueError("no image of at least %d px in %s" % (size, ", ".join(folders)))
        self.size, self.flip, self.rng = size, flip, np.random.default_rng(seed)
        area = np.array([a.shape[0] * a.shape[1] for a in self.images], np.float64) ** 0.5
        self.p = np.cumsum(area / area.sum())

    def batch(self, n, rank=0, size=1, device="cpu"):
        """Share `rank` of `size` of a batch of n (a multiple of size): [n/size,3,side,side] float32 in [-1,1], channels
        last. The places of all n are drawn, so that the shares of one seed make the same batch however many there
        are."""
        s, share = self.size, n // size
        out = np.empty((share, s, s, 3), np.uint8)
        for i in range(n):
            a = self.images[min(int(np.searchsorted(self.p, self.rng.random())), len(self.images) - 1)]
            y, x = self.rng.integers(a.shape[0] - s + 1), self.rng.integers(a.shape[1] - s + 1)
            flip = self.flip and self.rng.random() < 0.5
            if i // share == rank:
                c = a[y:y + s, x:x + s]
                out[i % share] = c[:, ::-1] if flip else c
        return torch.from_numpy(out).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
