"""Make the part of a model's file that holds its upscalers: python3 tools/export_upscaler.py CKPT... -o OUT --of HASH

CKPT: checkpoints of train_upscaler.py, one of each factor. HASH: the model's fingerprint, 16 hexadecimal digits, as
`tesserae info MODEL` tells. Weights are the moving averages; filters float16, biases float32.
"""
import argparse
import json
import re

from tesserae import file, upscaler


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoints", nargs="+")
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--of", metavar="HASH", required=True)
    a = p.parse_args()
    if not re.fullmatch("[0-9a-f]{16}", a.of):
        raise SystemExit("--of takes 16 hexadecimal digits, not %r" % a.of)
    tensors, configs = {}, {}
    for path in a.checkpoints:
        t, meta = file.read(path)
        said = json.loads(meta["tesserae.upscaler"])
        configs[str(said["factor"])] = said["config"]
        tensors.update(upscaler.part_tensors(said["factor"], t))
    config = {"format": 1, "part_of": a.of, "upscaler": configs}
    file.write(a.out, tensors, file.meta(config))
    print("%s: factors %s, %d values" % (a.out, ", ".join(sorted(configs)), sum(t.numel() for t in tensors.values())))


if __name__ == "__main__":
    main()
