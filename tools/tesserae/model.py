"""Layers and the autoencoder: nn.Sequential over a config's layer list, which gives ARCHITECTURE.md's tensor names."""
import torch
import torch.nn as nn

from . import config as configs
from . import quantizers

ACTS = {"silu": nn.SiLU, "relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh,
        "gelu": lambda: nn.GELU(approximate="tanh")}


class Res(nn.Module):
    """x + conv2(act(conv1(act(x)))); conv2 starts at zero, so the block starts as the identity."""

    def __init__(self, channels, hidden, kernels, act):
        super().__init__()
        self.act = ACTS[act]()
        self.conv1 = nn.Conv2d(channels, hidden, kernels[0], padding=kernels[0] // 2)
        self.conv2 = nn.Conv2d(hidden, channels, kernels[1], padding=kernels[1] // 2)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(self.act(self.conv1(self.act(x))))


def layer(spec, channels):
    """One layer of the list -> (module, output channels)."""
    op, out = spec["op"], spec.get("out")
    if op in ("conv", "tconv"):
        k, stride, bias = spec["kernel"], spec.get("stride", 1), spec.get("bias", True)
        kind, pad = (nn.Conv2d, (k - 1) // 2) if op == "conv" else (nn.ConvTranspose2d, max(0, k - stride) // 2)
        return kind(channels, out, k, stride, spec.get("pad", pad), bias=bias), out
    if op == "res":
        hidden, kernels = spec.get("hidden", channels), spec.get("kernels", [3, 3])
        return Res(channels, hidden, kernels, spec.get("act", "silu")), channels
    if op in ACTS:
        return ACTS[op](), channels
    if op == "norm":
        return nn.GroupNorm(spec["groups"], channels, eps=spec.get("eps", 1e-6)), channels
    if op == "up":
        return nn.Upsample(scale_factor=spec.get("factor", 2), mode="nearest"), channels
    f = spec.get("factor")
    if op == "shuffle":
        return nn.PixelShuffle(f), channels // (f * f)
    if op == "unshuffle":
        return nn.PixelUnshuffle(f), channels * f * f
    raise ValueError("unknown layer op %r" % op)


def net(layers, channels):
    """A layer list -> (nn.Sequential, output channels)."""
    modules = []
    for spec in layers:
        m, channels = layer(spec, channels)
        modules.append(m)
    return nn.Sequential(*modules), channels


class Autoencoder(nn.Module):
    """encoder, quantizer, decoder of a completed config. Images: [B,3,H,W] in [-1,1], H and W multiples of `factor`."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.factor = configs.geometry(config["encoder"])
        dim = configs.latent_dim(config)
        self.encoder, c = net(config["encoder"], 3)
        self.decoder, o = net(config["decoder"], dim)
        if c != dim or o != 3:
            raise ValueError("encoder gives %d channels, not %d; or decoder gives %d, not 3" % (c, dim, o))
        self.quantizer = quantizers.make(config["quantizer"])

    def weights(self):
        """The parameters that AdamW moves, in file order: name -> tensor."""
        return dict(self.named_parameters())

    def forward(self, x, levels=None, lam=0.0):
        """-> (reconstruction [B,3,H,W], quantizer result: see quantizers.Result)."""
        q = self.quantizer(self.encoder(x), levels, lam)
        return self.decoder(q.z), q

    @torch.no_grad()
    def tokens(self, x, levels=None, lam=0.0):
        return self.quantizer(self.encoder(x), levels, lam).tokens


@torch.no_grad()
def cost(layers, channels, size=64):
    """(multiply-adds per image pixel, parameters) of an encoder's (channels 3) or a decoder's layer list."""
    m, _ = net(layers, channels)
    x, total = torch.zeros(1, channels, size, size), 0
    for mod in m:
        y = mod(x)
        for c in [mod.conv1, mod.conv2] if isinstance(mod, Res) else [mod]:
            if isinstance(c, (nn.Conv2d, nn.ConvTranspose2d)):
                total += c.weight.numel() * (x if isinstance(c, nn.ConvTranspose2d) else y)[0, 0].numel()
        x = y
    pixels = size * size if channels == 3 else x[0, 0].numel()
    return total / pixels, sum(p.numel() for p in m.parameters())
