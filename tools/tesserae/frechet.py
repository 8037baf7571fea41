"""Frechet distance between sets of pictures (Heusel et al. 2017), on pooled features of SqueezeNet 1.1 in Inception's
place: figures compare with each other at one number of pictures, not with published FIDs."""
import torch

from . import losses


class Features:
    """Pictures [n,3,H,W] in [-1,1] -> the means [n,512] of SqueezeNet's last features over the picture."""

    def __init__(self, trunk, device):
        """trunk: tensors with torchvision's names (file.read)."""
        heads = {"lin%d" % i: torch.zeros(1) for i in range(7)}  # of LPIPS: not used
        self.net, self.device = losses.Lpips(trunk, heads).to(device), device

    @torch.no_grad()
    def __call__(self, x, batch=256):
        return torch.cat([self.net.features(x[i:i + batch].to(self.device))[-1].mean((2, 3)).cpu()
                          for i in range(0, len(x), batch)])


def distance(a, b):
    """|mean a - mean b|^2 + tr(A + B - 2 (A B)^1/2) of features [n,D], [m,D] with covariances A, B. With X, Y the
    centred rows over sqrt(n - 1), sqrt(m - 1), tr (A B)^1/2 is the sum of the singular values of X Y^T."""
    a, b = a.double(), b.double()
    gap = (a.mean(0) - b.mean(0)).square().sum()
    x, y = ((v - v.mean(0)) / max(1, len(v) - 1) ** 0.5 for v in (a, b))
    return float(gap + x.square().sum() + y.square().sum() - 2 * torch.linalg.svdvals(x @ y.t()).sum())


def nearest(a, b, batch=64):
    """For each row of a [n,D] the nearest of b [m,D] -> (distances [n], indices [n])."""
    parts = [torch.cdist(a[i:i + batch], b).min(1) for i in range(0, len(a), batch)]
    return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])
