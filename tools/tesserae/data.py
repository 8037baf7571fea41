"""Random crops from a folder of photos, decoded once and kept as bytes in memory."""
import glob
import os

import numpy as np
import torch
from PIL import Image, ImageOps


class Crops:
    """Images of the folders, at least `size` px both ways and not named in `skip`; batch() draws crops."""

    def __init__(self, folders, size, flip, seed, skip=(), limit=None):
        names = [f for d in folders for f in sorted(glob.glob(os.path.join(d, "*")))
                 if f.lower().endswith((".jpg", ".jpeg", ".png")) and os.path.basename(f) not in skip][:limit]
        self.images = []
        for f in names:
            with Image.open(f) as im:
                a = np.asarray(ImageOps.exif_transpose(im).convert("RGB"))
            if min(a.shape[:2]) >= size:
                self.images.append(a)
        if not self.images:
            raise ValueError("no image of at least %d px in %s" % (size, ", ".join(folders)))
        self.size, self.flip, self.rng = size, flip, np.random.default_rng(seed)
        area = np.array([a.shape[0] * a.shape[1] for a in self.images], np.float64) ** 0.5
        self.p = np.cumsum(area / area.sum())

    def batch(self, n):
        """[n,3,size,size] float32 in [-1,1]."""
        s, out = self.size, np.empty((n, self.size, self.size, 3), np.uint8)
        for i in range(n):
            a = self.images[min(int(np.searchsorted(self.p, self.rng.random())), len(self.images) - 1)]
            y, x = self.rng.integers(a.shape[0] - s + 1), self.rng.integers(a.shape[1] - s + 1)
            c = a[y:y + s, x:x + s]
            out[i] = c[:, ::-1] if self.flip and self.rng.random() < 0.5 else c
        return torch.from_numpy(out).permute(0, 3, 1, 2).float() / 127.5 - 1
