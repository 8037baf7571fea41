"""PatchGAN discriminator (Isola et al. 2017; the layers of taming-transformers' NLayerDiscriminator) at one or more
scales. Tensor names as nn.Sequential counts: "{scale}.{layer}.weight"."""
import torch.nn as nn
import torch.nn.functional as F

from .norm import Norm


def patches(layers, width, groups):
    """One scale: convs of stride 2 to width * min(2^i, 8) channels, one of stride 1, one to a map of logits."""
    net, channels = [], 3
    for i in range(layers + 1):
        out = width * min(2 ** i, 8)
        net.append(nn.Conv2d(channels, out, 4, 2 if i < layers else 1, 1))
        if i and groups:
            net.append(Norm(groups, out, eps=1e-6))
        net.append(nn.LeakyReLU(0.2))
        channels = out
    return nn.Sequential(*net, nn.Conv2d(channels, 1, 4, 1, 1))


class Discriminator(nn.Module):
    """Of a completed "train.adversarial.discriminator". Scale s sees the picture after s 2x2 means. Convs start as
    normal(0, 0.02), biases as 0, norms as 1 and 0."""

    def __init__(self, d):
        super().__init__()
        for s in range(d["scales"]):
            self.add_module(str(s), patches(d["layers"], d["width"], d["groups"]))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, 0, 0.02)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        """x [B,3,H,W] in [-1,1] -> per scale (logits [B,1,h,w], outputs of the leaky_relus)."""
        out = []
        for net in self.children():
            h, features = x, []
            for layer in net:
                h = layer(h)
                if isinstance(layer, nn.LeakyReLU):
                    features.append(h)
            out.append((h, features))
            x = F.avg_pool2d(x, 2)
        return out
