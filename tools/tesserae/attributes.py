"""A small classifier of what captions name, or of classes, trained on real pictures: do samples show what was asked
for?"""
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import file, tiles

NAMES = ("background", "skin", "hair_color", "glasses", "hat")
WIDTHS = (24, 48, 96)  # of the classifier's layers


def said(record, name):
    """What a line of index.jsonl says of an attribute, or "class" of itself; None: nothing."""
    value = record.get("attributes", record).get(name)
    return None if value is None else str(value)


class Classifier(nn.Module):
    """Pictures [B,3,S,S] in [-1,1] -> for each attribute logits [B,values]. values: attribute -> list of its values;
    places: ceil(S / 8)^2. The last layer sees places, not their mean: where a colour is tells what it is the colour
    of."""

    def __init__(self, values, places):
        super().__init__()
        self.values = values
        layers, c = [], 3
        for kernel, out in zip((5, 3, 3), WIDTHS):
            layers += [nn.Conv2d(c, out, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            c = out
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(c * places, sum(map(len, values.values())))

    def forward(self, x):
        return dict(zip(self.values, self.head(self.trunk(x)).split([len(v) for v in self.values.values()], 1)))


def named(records):
    """attribute -> its values in the records, sorted; only those that every record has."""
    found = {k: {said(r, k) for r in records} for k in NAMES + ("class",)}
    return {k: sorted(v) for k, v in found.items() if None not in v}


def targets(records, values, device="cpu"):
    """attribute -> int64 [records]."""
    return {k: torch.tensor([v.index(said(r, k)) for r in records], device=device)
            for k, v in values.items()}


def worn(x):
    """Pictures as a codec may leave them: moved by up to two pixels, every other one softened, noisy."""
    dy, dx = torch.randint(-2, 3, (2,)).tolist()
    size = x.shape[-1]
    x = F.pad(x, (2, 2, 2, 2), mode="replicate")[..., 2 + dy:2 + dy + size, 2 + dx:2 + dx + size]
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, soft, x)
    return x + 0.05 * torch.randn_like(x)


def train(pictures, records, values, device, steps, batch=128, seed=1):
    """uint8 [n,S,S,3], their lines and all `values` (named) -> Classifier in evaluation mode."""
    torch.manual_seed(seed)
    net = Classifier(values, (-(-pictures.shape[1] // 8)) ** 2).to(device)
    want = targets(records, net.values, device)
    opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(pictures), (batch,))
        got = net(worn(tiles.images(pictures[rows].to(device))))
        loss = sum(F.cross_entropy(y, want[k][rows.to(device)]) for k, y in got.items())
        opt.zero_grad()
        loss.backward()
        opt.step()
        rates.step()
    return net.eval()


@torch.no_grad()
def agreement(net, x, records, batch=256):
    """Pictures [n,3,S,S] -> attribute -> share of them that show what their record says."""
    device = net.head.weight.device
    parts = [net(x[i:i + batch].to(device)) for i in range(0, len(x), batch)]
    want = targets(records, net.values, device)
    return {k: float((torch.cat([p[k] for p in parts]).argmax(1) == want[k]).float().mean()) for k in want}


def save(net, path):
    file.write(path, net.state_dict(), {"values": json.dumps(net.values)})


def load(path):
    t, meta = file.read(path)
    net = Classifier(json.loads(meta["values"]), t["head.weight"].shape[1] // WIDTHS[-1])
    net.load_state_dict(t)
    return net.eval()
