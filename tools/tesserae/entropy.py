"""Entropy loss of a quantizer (Yu et al. 2024, MAGVIT-v2): each latent should be sure of its code, all of them together
should use every code."""
import torch


def entropy(p):
    """Of distributions p [...,K], in nats."""
    return -(p * torch.log(p.clamp(min=1e-30))).sum(-1)


def loss(z, codes, temperature, gamma, world):
    """mean H(p) - gamma H(mean p), p = softmax(-|z - e_k|^2 / temperature); z [n,D], codes [K,D]. The mean of p runs over
    the latents of all processes: its value is common, its gradient local (gradients are averaged later)."""
    d = (z * z).sum(1, keepdim=True) - 2 * z @ codes.t() + (codes * codes).sum(1)
    p = torch.softmax(-d / temperature, 1)
    usage = p.mean(0)
    if world.size > 1:
        usage = usage + (world.mean(usage.detach().clone()) - usage.detach())
    return entropy(p).mean() - gamma * entropy(usage)
