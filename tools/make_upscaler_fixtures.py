"""Write tests/fixtures/twin/upscaler*.safetensors, what upscalers in the C core must reproduce:
python3 tools/make_upscaler_fixtures.py

Every value is computed in float64 from float32 weights and stored as float32.
"""
import os

import numpy as np
import torch

from make_fixtures import OUT, conv, f32, images, op, pictures, randomise
from tesserae import config, export, file, model, upscaler

SIZES = {4: {"even": (6, 10), "odd": (5, 7)}, 2: {"even": (12, 20), "odd": (9, 14)}}  # rows and columns of the input
SMALL = {"width": 8, "blocks": 2, "tail": [12, 1]}
CONFIG = {
    "format": 1, "name": "upscaler", "range": [-1, 1],
    "encoder": [op("unshuffle", factor=4), conv(8, 1), op("gelu"), op("unshuffle", factor=2), conv(12, 1), op("res"),
                op("silu"), conv(4, 1)],
    "decoder": [conv(12, 1), op("res"), op("silu"), conv(32, 1), op("shuffle", factor=2), conv(48, 1),
                op("shuffle", factor=4)],
    "quantizer": {"type": "vq", "update": "ema", "levels": 3, "size": 16, "dim": 4},
    "upscaler": {"2": SMALL, "4": SMALL}}


def networks(seed):
    """-> (autoencoder, factor -> upscaler), float64 with weights that float32 holds."""
    auto = model.Autoencoder(config.complete(CONFIG)).double()
    nets = {f: upscaler.Upscaler(f, upscaler.complete(c), 4).double() for f, c in ((2, SMALL), (4, SMALL))}
    for i, m in enumerate((auto, *nets.values())):
        randomise(m, 10 * seed + i)
    g = torch.Generator().manual_seed(seed)
    auto.quantizer.codebook.copy_(torch.randn(auto.quantizer.codebook.shape, generator=g).float())
    auto.quantizer.codebook[1:, 0] = 0
    for net in nets.values():  # latents as wide as the codes, so that many tokens are met
        net.out.weight.data.copy_((8 * net.out.weight).float())
    return auto, nets


@torch.no_grad()
def values(auto, net, bytes_):
    """Name -> value of one input, uint8 [1,h,w,3]; tokens as indices of float64 and of float32 nets."""
    x = images(bytes_)
    smooth, sharp, z, tokens = upscaler.answers(net, auto, upscaler.padded(x, net.factor))
    decoded = auto.decoder(auto.quantizer.lookup(tokens).double())
    rows, columns = (n * net.factor for n in x.shape[2:])
    cut = lambda y: y[:, :, :rows, :columns]
    return {"x": torch.from_numpy(bytes_), "bicubic": cut(upscaler.enlarge(upscaler.padded(x, net.factor), net.factor)),
            "smooth": cut(smooth), "latents": z, "tokens": tokens.int(), "decoded": decoded, "sharp": cut(sharp)}


def steady(auto, net, v):
    """Are the tokens the same when everything is computed in float32?"""
    auto, net = (m.float() for m in (auto, net))
    x = upscaler.padded(images(v["x"].numpy()).float(), net.factor)
    same = torch.equal(upscaler.answers(net, auto, x)[3].int(), v["tokens"])
    auto.double(), net.double()
    return same


def main():
    for seed in range(1, 100):
        auto, nets = networks(seed)
        out, good = {}, True
        for f, sizes in SIZES.items():
            for name, (rows, columns) in sizes.items():
                picture = np.ascontiguousarray(pictures(seed + f, 1, max(rows, columns))[:, :rows, :columns])
                v = values(auto, nets[f], picture)
                good = good and steady(auto, nets[f], v)
                out.update({"%d.%s.%s" % (f, name, k): t.contiguous() for k, t in v.items()})
        if good:
            break
    tensors = export.model_tensors(auto, sort=False)
    tensors.update({k: p.detach().float() for k, p in auto.named_parameters()})
    tensors["quantizer.bits"] = tensors["quantizer.bits"].float()
    tensors.update({"upscaler.%d.%s" % (f, k): p.detach().float() for f, n in nets.items()
                    for k, p in n.named_parameters()})
    file.write(os.path.join(OUT, "upscaler.safetensors"), tensors, file.meta(CONFIG))
    file.write(os.path.join(OUT, "upscaler_values.safetensors"), f32(out))
    print("seed %d, %d tensors of values, %d tokens of the first level" % (
        seed, len(out), len(set(out["4.even.tokens"][0].flatten().tolist()))))


if __name__ == "__main__":
    main()
