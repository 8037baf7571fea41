"""Entropy loss of a quantizer (Yu et al. 2024, MAGVIT-v2): each latent should be sure of its code, all together should
use every code: mean H(p) - gamma H(mean p) in nats (src/kernels/entropy.h has the same). `weights`: "train.loss"."""
import torch


def entropy(p):
    """-p log p, term by term."""
    return -p * torch.log(p.clamp(min=1e-30))


def common(usage, world):
    """A mean over this process's latents -> over all: the value is common, the gradient local (gradients are averaged
    over the processes later)."""
    if world.size == 1:
        return usage
    return usage + (world.mean(usage.detach().clone()) - usage.detach())


def codes(z, book, weights, world):
    """p = softmax(-|z - e_k|^2 / temperature) over the codes. z [n,D], book [K,D]."""
    logits = 2 * z @ book.t() - (book * book).sum(1)
    p = torch.softmax(logits / weights["temperature"], 1)
    return entropy(p).sum(1).mean() - weights["entropy_gamma"] * entropy(common(p.mean(0), world)).sum()


def bits(z, reach, weights, world):
    """For codes at all corners (+-reach, ..): the same bit by bit, p = softmax over a channel's two ends; H of the mean
    counts bits as independent. z [n,D]."""
    p = torch.sigmoid(4 * reach * z / weights["temperature"])
    both = torch.stack([p, 1 - p])
    return entropy(both).sum((0, 2)).mean() - weights["entropy_gamma"] * entropy(common(both.mean(1), world)).sum()
