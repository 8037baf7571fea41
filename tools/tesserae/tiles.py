"""Folders of small pictures or of sheets of them, with captions: every picture is cut into tiles, row by row."""
import collections
import glob
import json
import os

import numpy as np
import torch
from PIL import Image

# pictures: uint8 [n,H,W,3]; records: the line of index.jsonl that belongs to each ({} without one); captions: for each
# a list of texts, any of which describes it; held: bool [n], kept out of training.
Tiles = collections.namedtuple("Tiles", "pictures records captions held")


def cut(path, height, width):
    """The tiles of a picture, transparency over white: uint8 [n,height,width,3]."""
    with Image.open(path) as im:
        rgba = im.convert("RGBA")
    a = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    rows, columns = a.shape[0] // height, a.shape[1] // width
    a = a[:rows * height, :columns * width].reshape(rows, height, columns, width, 3)
    return a.transpose(0, 2, 1, 3, 4).reshape(-1, height, width, 3)


def described(record, style, key):
    """Texts for a tile: its caption; or name, style (the sheet's) and name, and both with the keywords."""
    if key in record:
        return [record[key]]
    if "name" not in record:
        return [""]
    named = style + " " + record["name"]
    return [record["name"], named] + [" ".join([named] + record["keywords"])] * ("keywords" in record)


def lines(folder):
    path = os.path.join(folder, "index.jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def folder_tiles(folder, height, width, key):
    """Yields (pictures, records, captions, set of each) sheet by sheet. index.jsonl describes the tiles of all sheets
    one after the other; or, where a line has "tile", those of every sheet; or, where "file" is a picture here, its."""
    records, at = lines(folder), 0
    by_file = {r["file"]: r for r in records if "file" in r}
    for path in sorted(glob.glob(os.path.join(folder, "*.png")) + glob.glob(os.path.join(folder, "*.jp*g"))):
        tiles, name = cut(path, height, width), os.path.basename(path)
        style = name.split(".")[0].split("-")[0]
        if not records or name in by_file:
            mine = [by_file.get(name, {})] * len(tiles)
        elif "tile" in records[0]:
            mine = records[:len(tiles)]
        else:
            mine = records[at:at + len(tiles)]
            at += len(tiles)
        yield tiles[:len(mine)], mine, [described(r, style, key) for r in mine], [r.get("set", style) for r in mine]


def held_out(records, sets, n):
    """Which tiles to keep out: those whose lines say "held"; or the last n of each set where lines name sets;
    else, lest a kind of thing be missing altogether, n at even distances in each sheet (the same in every sheet of one
    index) -> bool [tiles]."""
    out = torch.tensor([bool(r.get("held")) for r in records])
    if out.any():
        return out
    for s in dict.fromkeys(sets) if n else ():
        of = [i for i, name in enumerate(sets) if name == s]
        if "set" in records[of[0]]:
            out[of[-n:]] = True
        else:
            out[[of[len(of) * (2 * i + 1) // (2 * n)] for i in range(n)]] = True
    return out


def read(folders, height, width, held=0, key="caption", limit=None):
    """Tiles of the folders, `limit` of each set at most (from its end on, so that what is held out stays)."""
    pictures, records, captions, sets = [], [], [], []
    for folder in folders:
        for part in folder_tiles(folder, height, width, key):
            for whole, piece in zip((pictures, records, captions, sets), part):
                whole.extend(piece)
    if not pictures:
        raise ValueError("no picture of %d x %d in %s" % (width, height, ", ".join(folders)))
    out = held_out(records, sets, held)
    count, keep = collections.Counter(), []
    for i in reversed(range(len(sets))):
        count[sets[i]] += 1
        keep += [i] * (not limit or count[sets[i]] <= limit)
    keep.reverse()
    of = lambda values: [values[i] for i in keep]
    return Tiles(torch.from_numpy(np.stack(of(pictures))), of(records), of(captions), out[keep])


def images(pictures):
    """uint8 [n,H,W,3] -> float32 [n,3,H,W] in [-1,1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def pictures(x):
    """[n,3,H,W] in [-1,1] -> uint8 [n,H,W,3] on the CPU."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu()
