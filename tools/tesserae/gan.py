"""Adversarial losses over a discriminator's logits t, any shape -> scalar (src/kernels/gan.h has the same)."""
import torch
import torch.nn.functional as F


def real(kind, t):
    """The discriminator's, of real pictures: hinge (Lim and Ye 2017) or non-saturating (Goodfellow et al. 2014)."""
    return (F.relu(1 - t) if kind == "hinge" else F.softplus(-t)).mean()


def fake(kind, t):
    """The discriminator's, of reconstructions."""
    return (F.relu(1 + t) if kind == "hinge" else F.softplus(t)).mean()


def generator(kind, t):
    """The generator's, of its reconstructions."""
    return -t.mean() if kind == "hinge" else F.softplus(-t).mean()


def lecam(t_real, t_fake, mean_real, mean_fake):
    """Tseng et al. 2021: logits are held to the moving averages `mean_*` of the other side."""
    return F.relu(t_real - mean_fake).square().mean() + F.relu(mean_real - t_fake).square().mean()


def mean(values):
    """Of a list of scalars."""
    return sum(values) / len(values)


def matching(judged, wanted):
    """Feature matching: mean over scales and layers of mean |f(y) - sg f(x)|. Lists of lists of feature maps."""
    return mean([(f - g.detach()).abs().mean() for fs, gs in zip(judged, wanted) for f, g in zip(fs, gs)])


def r1(discriminator, x):
    """Mescheder et al. 2018: mean over pictures of |d (sum over scales of the mean logit) / d x|^2, differentiable."""
    x = x.detach().requires_grad_()
    score = sum(logits.flatten(1).mean(1).sum() for logits, _ in discriminator(x))
    slope, = torch.autograd.grad(score, x, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()
