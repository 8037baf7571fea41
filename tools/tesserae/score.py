"""Mean LPIPS-squeeze of decoded pictures: python3 -m tesserae.score ORIGINALS DECODED --lpips TRUNK HEADS

Pairs files of the same stem; prints one number, the mean over the pairs.
"""
import argparse
import glob
import os

import torch

from . import losses
from .measure import load


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("originals")
    p.add_argument("decoded")
    p.add_argument("--lpips", nargs=2, metavar=("TRUNK", "HEADS"), required=True)
    a = p.parse_args()
    lpips = losses.Lpips.load(*a.lpips)
    originals = {os.path.splitext(os.path.basename(f))[0]: f for f in glob.glob(os.path.join(a.originals, "*.*"))}
    pairs = [(originals[stem], f) for f in sorted(glob.glob(os.path.join(a.decoded, "*.png")))
             for stem in [os.path.splitext(os.path.basename(f))[0]] if stem in originals]
    if not pairs:
        raise SystemExit("no picture in %s has the name of one in %s" % (a.decoded, a.originals))
    print(sum(lpips(load(x), load(y)).item() for x, y in pairs) / len(pairs))


if __name__ == "__main__":
    main()
