"""Write models/CREDITS.md: python3 tools/make_credits.py PHOTOS/index.jsonl

Says where the training photos come from: one section per source, every credit line in it once, with its licence.
"""
import collections
import json
import os
import re
import sys

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models", "CREDITS.md")
HEAD = """# Credits

`photo.safetensors` was trained on {n} photographs: CC0 ({cc0}) and CC BY ({by}). They are not part of this
repository; the sample pictures are, and were not trained on. The model itself is under this project's licence (MIT).

## Sample pictures (`models/samples/`)

All CC0 1.0, cut to 3:2 and scaled to 768x512.

| file | photograph |
|---|---|
| `parakeet.jpg` | "budgie branch", [budgie-backgrounds][b] |
| `mural.jpg` | "colorful wall", [budgie-backgrounds][b] |
| `coast.jpg` | [Pexels 315998](https://www.pexels.com/photo/315998/) (CC0 before 2018) |

[b]: https://github.com/BuddiesOfBudgie/budgie-backgrounds

LPIPS, used as a training loss: Zhang et al. 2018 (heads, BSD-2-Clause) on SqueezeNet 1.1 (torchvision weights,
BSD-3-Clause); neither is part of the photo model, both are in `lpips-squeeze.safetensors`. OpenStax books are free at
openstax.org.

## Small models (`models/`)

| file | trained on | licence |
|---|---|---|
| `avatars.safetensors` | 9,200 faces made with DiceBear: [Adventurer](https://www.dicebear.com/styles/adventurer/) by Lisa Wischofsky; [Pixel Art](https://www.dicebear.com/styles/pixel-art/) by DiceBear | CC BY 4.0; CC0 1.0 |
| `digits.safetensors` | MNIST, Y. LeCun, C. Cortes, C. Burges; 9,000 of the test digits | CC BY-SA 3.0 |
| `emoji.safetensors` | 5,169 emoji of 64x64 pixels over white: [Twemoji](https://github.com/jdecked/twemoji), Twitter, Inc and other contributors; [Noto Emoji](https://github.com/googlefonts/noto-emoji), Google; [Fluent Emoji](https://github.com/microsoft/fluentui-emoji) (3D), Microsoft; its tokenizer started from that of `avatars.safetensors` | CC BY 4.0; Apache 2.0; MIT |

## Pictures of the training tab (`web/demo/public/`)

| file | pictures | licence |
|---|---|---|
| `digits.png` | MNIST, Y. LeCun, C. Cortes, C. Burges; the first 4,096 training digits, 16 greys | CC BY-SA 3.0 |
| `data/adventurer-*.webp` | [Adventurer](https://www.dicebear.com/styles/adventurer/) by Lisa Wischofsky, made with DiceBear | CC BY 4.0 |
| `data/pixelart-*.webp` | [Pixel Art](https://www.dicebear.com/styles/pixel-art/) by DiceBear | CC0 1.0 |
| `data/emoji-*.webp` | [Twemoji](https://github.com/jdecked/twemoji), Twitter, Inc and other contributors; 1,838 emoji over white | CC BY 4.0 |

## Training photographs
"""
TITLES = {"budgie": "Budgie backgrounds", "elementary": "elementary OS wallpapers (Unsplash and others)",
          "popos": "Pop!_OS wallpapers", "pexelscc0": "Pexels (before 2018)", "lomiri": "Lomiri wallpapers"}
SKIP = {"budgie_0008.jpg", "budgie_0014.jpg", "pexelscc0_0067.jpg", "budgie_0021.jpg"}


def line(r):
    """One credit: who, and for a photo with a page of its own, where."""
    text = re.sub(r"^credit[:,]?\s*", "", r["credit"], flags=re.I).replace("|", "/").strip(" .")
    return "[%s](%s)" % (text, r["source"]) if r["source"].startswith("http") else text


def main():
    rows = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
    rows = [r for r in rows if r["file"] not in SKIP]
    groups = collections.defaultdict(list)
    for r in rows:
        kind = r["file"].rsplit("_", 1)[0]
        title = TITLES.get(kind) or "OpenStax, " + r["source"].replace("OpenStax ", "").replace(" bundle", "")
        groups[title, "CC BY 4.0" if r["lic_class"] == "cc-by" else "CC0 / public domain"].append(r)
    cc0 = sum(r["lic_class"] == "cc0" for r in rows)
    with open(OUT, "w", encoding="utf-8") as f:
        f.write(HEAD.format(n=len(rows), cc0=cc0, by=len(rows) - cc0))
        for (title, licence), items in sorted(groups.items()):
            count = collections.Counter(line(r) for r in items)
            names = "; ".join(k if n == 1 else "%s (%d)" % (k, n) for k, n in sorted(count.items()))
            f.write("\n### %s: %s, %d\n\n%s.\n" % (title, licence, len(items), names))


if __name__ == "__main__":
    main()
