"""safetensors, read and written in a few lines (F32, F16, U8), and Tesserae's model file on top of it."""
import json
import os
import struct

import numpy as np
import torch

TYPES = {k: np.dtype(v) for k, v in {"F32": "<f4", "F16": "<f2", "U8": "u1", "I32": "<i4", "I64": "<i8"}.items()}
QUANTIZER = ("codebook", "count", "sum", "bits")  # state of a VQ; a model file has codebook and bits
NAMES = {v: k for k, v in TYPES.items()}


def read(path):
    """-> (name -> tensor, metadata: name -> string)."""
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = f.read()
    meta = head.pop("__metadata__", {})
    out = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        out[name] = torch.from_numpy(np.frombuffer(body[a:b], TYPES[t["dtype"]]).reshape(t["shape"]).copy())
    return out, meta


def write(path, tensors, meta=None):
    """Write to a temporary name, then rename: a reader never sees half a file. Data starts 64-byte aligned."""
    head, parts, at = {"__metadata__": meta} if meta else {}, [], 0
    for name, t in tensors.items():
        a = np.ascontiguousarray(t.detach().cpu().numpy() if torch.is_tensor(t) else t)
        head[name] = {"dtype": NAMES[a.dtype], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        parts.append(a.tobytes())
        at += a.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path + ".tmp", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for p in parts:
            f.write(p)
    os.replace(path + ".tmp", path)


def meta(c):
    """Metadata of a model file with config `c`."""
    return {"tesserae": json.dumps(c, separators=(",", ":"), ensure_ascii=False)}


def config_of(metadata):
    return json.loads(metadata["tesserae"])


@torch.no_grad()
def load_state(model, tensors):
    """Copy a model file's or checkpoint's tensors into `model`. Every parameter must be there; quantizer state
    (count, sum) that a plain model file lacks is rebuilt from codebook and bits. Raises KeyError, ValueError."""
    own = dict(model.named_parameters())
    own.update({"quantizer." + k: v for k, v in model.quantizer.named_buffers() if k in QUANTIZER})
    for name, t in own.items():
        if name not in tensors and name in ("quantizer.count", "quantizer.sum", "quantizer.bits"):
            continue
        if tensors[name].shape != t.shape:
            raise ValueError("%s is %s in the file, %s in the net" % (name, tuple(tensors[name].shape), tuple(t.shape)))
        t.copy_(tensors[name].float())
    q = model.quantizer
    if "quantizer.codebook" in own and "quantizer.count" not in tensors:
        if "quantizer.bits" in tensors:
            q.count.copy_(torch.exp2(-q.bits) * 2 * q.count.shape[1])
        q.sum.copy_(q.codebook * q.count[..., None])
