"""Sheets of tiles and their lines, for `tesserae train --tile`: python3 tools/make_sheets.py KIND SOURCE OUT

KIND is digits, emoji, or things: those Fluent emoji that are no flags, signs or people in roles, a fifth of the
pictures, which a small prior can go on with when it has seen them all.

SOURCE of digits: a folder with *-images-idx3-ubyte.gz and *-labels-idx1-ubyte.gz (MNIST); of emoji: STYLE-64.png sheets
of 48 tiles of 64x64 pixels a row, transparent, and index.jsonl with the name and keywords of tile i. OUT/train and
OUT/held get sheets of up to 20 x 20 tiles, and index.jsonl, whose line i is tile i of all sheets: {"class": 7} of a
digit, {"caption": .., "name": .., "style": ..} of an emoji; lines of OUT/held say "held": true, too.

Held out: every tenth digit; one picture in 16 of the emoji, while the other styles of the same emoji are learnt from.
Emoji stand on white. OUT/train holds them three times, with another caption each: name; style and name; style and some
keywords. OUT/held has them once, with style and name.
"""
import glob
import gzip
import json
import os
import random
import sys

import numpy as np
from PIL import Image

SIDE = 20  # tiles along a sheet's side
STYLES = {"twemoji": "twemoji", "noto": "noto", "fluent3d": "fluent"}  # file -> word of the captions
THINGS = {"smileys-emotion", "animals-nature", "food-drink", "travel-places", "activities", "objects",  # groups
          "hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed",  # subgroups
          "hands", "person", "arrow", "geometric"}


def idx(pattern):
    """The array of the one gzipped idx file that fits."""
    (path,) = glob.glob(pattern)
    with gzip.open(path) as f:
        data = f.read()
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def digits(source):
    """Yields (tile uint8 [28,28], its lines, held out?)."""
    pictures = idx(os.path.join(source, "*-images-idx3-ubyte.gz"))
    for i, (tile, label) in enumerate(zip(pictures, idx(os.path.join(source, "*-labels-idx1-ubyte.gz")))):
        yield tile, [{"class": int(label)}], i % 10 == 9


def captions(record, style, rng):
    """The three texts of an emoji in a style."""
    some = rng.sample(record["keywords"], rng.randint(1, min(6, len(record["keywords"])))) if record["keywords"] else []
    named = "%s style %s" % (style, record["name"])
    return [record["name"], named, "%s style %s" % (style, " ".join(some)) if some else named]


def emoji(source, styles=STYLES, groups=None):
    """Yields (tile uint8 [64,64,3], its lines, held out?); places of a sheet that a style leaves empty are left out,
    and so are emoji of other groups and subgroups than `groups`, where given."""
    with open(os.path.join(source, "index.jsonl"), encoding="utf-8") as f:
        records, rng = [json.loads(line) for line in f], random.Random(1)
    for s, (name, style) in enumerate(STYLES.items()):
        if name not in styles:
            continue
        with Image.open(os.path.join(source, name + "-64.png")) as im:
            rgba = im.convert("RGBA")
        sheet = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
        for i, r in enumerate(records):
            y, x = 64 * (i // 48), 64 * (i % 48)
            tile, texts, held = sheet[y:y + 64, x:x + 64], captions(r, style, rng), (5 * i + 7 * s) % 16 == 3
            if (tile != tile[0, 0]).any() and (not groups or groups & {r["group"], r["subgroup"]}):
                yield tile, [{"caption": t, "name": r["name"], "style": style} for t in texts][held:3 - held], held


def things(source):
    return emoji(source, {"fluent3d"}, THINGS)


def write(folder, tiles, lines):
    """Sheets 000.png and on, and index.jsonl."""
    os.makedirs(folder, exist_ok=True)
    for first in range(0, len(tiles), SIDE * SIDE):
        part = tiles[first:first + SIDE * SIDE]
        side = part[0].shape[0]
        sheet = np.zeros((side * -(-len(part) // SIDE), side * SIDE) + part[0].shape[2:], np.uint8)
        for i, tile in enumerate(part):
            y, x = side * (i // SIDE), side * (i % SIDE)
            sheet[y:y + side, x:x + side] = tile
        Image.fromarray(sheet).save(os.path.join(folder, "%03d.png" % (first // (SIDE * SIDE))))
    with open(os.path.join(folder, "index.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    print("%s: %d tiles" % (folder, len(tiles)))


def main():
    kind, source, out = sys.argv[1:]
    parts = {False: ([], []), True: ([], [])}
    for tile, lines, held in {"digits": digits, "emoji": emoji, "things": things}[kind](source):
        parts[held][0].extend([tile] * len(lines))
        parts[held][1].extend(dict(line, held=True) if held else line for line in lines)
    for held, part in parts.items():
        write(os.path.join(out, "held" if held else "train"), *part)


if __name__ == "__main__":
    main()
