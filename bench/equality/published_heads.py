"""Every head stated for autograd from its formulas (docs/math.md), in whatever type the embeddings have. Nothing here is shared
with the library: tests/pytorch compares it with the library's gradients, reference_trainer.py trains with it."""
import math

import torch

SETTINGS = {  # published values, stated here again
    "qcface": dict(s=64, m=0.5, rule="easy"),
    "qcface-cur": dict(s=64, m=0.5, rule="threshold"),
    "qcface-mv": dict(s=64, m=0.5, rule="easy"),
    "softmax": dict(s=64, m=0.5),
    "cosface": dict(s=64, m=0.35),
    "arcface": dict(s=64, m=0.5, rule="threshold"),
    "magface": dict(s=64, m=0.0, rule="easy"),
    "adaface": dict(s=64, m=0.4, ada_momentum=0.01),
    "curricular": dict(s=64, m=0.5, rule="threshold"),
    "mv-arc": dict(s=32, m=0.35, rule="easy"),
    "mv-am": dict(s=32, m=0.35),
}


def initial_state():
    """What a head keeps from step to step: t of the curricular heads, mean and deviation of lengths of adaface."""
    return {"t": torch.zeros((), dtype=torch.float64), "length_stats": (20.0, 100.0)}


def angular(c, m, rule):
    """cos(theta + m) with the rule's fallback, and the margin itself."""
    margin = c * torch.cos(m) - torch.sqrt(1 - c * c) * torch.sin(m)
    if rule == "none":
        return margin, margin
    if rule == "easy":
        return torch.where(c > 0, margin, c), margin
    return torch.where(c > torch.cos(math.pi - m), margin, c - m * torch.sin(math.pi - m)), margin


class InsightFaceShift(torch.autograd.Function):
    """cos(acos(c) + m) whose gradient is 1, as with the shift made with gradients off."""

    @staticmethod
    def forward(ctx, c, m):
        return torch.cos(torch.acos(c) + m)

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def published_loss(name, x, w, labels, p, state):
    """One training step of head `name` with the settings p: the identity loss and the loss on lengths (not yet times lambda),
    both differentiable means over the rows, and what is reported beside them. Updates `state`.
    x [N, D], w [K, D], labels [N]."""
    z = x.norm(dim=1)
    cosines = (x / z[:, None]) @ (w / w.norm(dim=1, keepdim=True)).T
    facts = {"z": z.detach(), "top1": int((cosines.detach().argmax(1) == labels).sum())}
    if name == "adaface":
        cosines = cosines.clamp(-1 + 1e-3, 1 - 1e-3)
    own = torch.nn.functional.one_hot(labels, w.shape[0]).bool()
    c = cosines[own]
    m = torch.tensor(p["m"], dtype=x.dtype)
    margin = c
    if name == "softmax":
        target = c
    elif name == "cosface":
        target = c - m
    elif name == "mv-am":
        margin = c - m
        target = torch.where(c > m, margin, c)
    elif name == "adaface":
        length = z.detach().clamp(1e-3, 100)
        mean, std = state["length_stats"]
        mean = p["ada_momentum"] * length.mean() + (1 - p["ada_momentum"]) * mean
        std = p["ada_momentum"] * length.std() + (1 - p["ada_momentum"]) * std
        state["length_stats"] = (mean, std)
        g = ((length - mean) / (std + 1e-3) * 0.333).clamp(-1, 1)
        psi = (torch.acos(c) - m * g).clamp(1e-3, math.pi - 1e-3)
        target = torch.cos(psi) - (m + m * g)
    elif name == "magface":
        a = z.clamp(10, 110)
        target, margin = angular(c, 0.45 + (0.8 - 0.45) / 100 * (a - 10), p["rule"])
    elif p.get("unit_slope"):
        target = InsightFaceShift.apply(c, m)
    else:
        target, margin = angular(c, m, p["rule"])
    hard = (cosines > margin[:, None]).detach()
    negatives = cosines
    if name in ("qcface-cur", "curricular"):
        state["t"] = 0.01 * c.mean().detach().double() + 0.99 * state["t"]
        negatives = torch.where(hard, cosines * (state["t"].to(x.dtype) + cosines), cosines)
    if name in ("qcface-mv", "mv-arc", "mv-am"):
        negatives = torch.where(hard, 1.12 * cosines + 0.12, cosines)
    logits = torch.where(own, target[:, None], negatives) * p["s"]
    identity = torch.nn.functional.cross_entropy(logits, labels)
    lengths = torch.zeros_like(identity)
    if name.startswith("qcface"):
        plain = (cosines * p["s"]).masked_fill(own, -math.inf)
        prob = torch.sigmoid(p["s"] * c - torch.logsumexp(plain, 1)).detach()
        k = 1e4 * 103 / 301
        rise, fall = 1 + (k - 1) * prob, 1 + (k / 1e4 - 1) * prob
        best = torch.sqrt(rise / (fall + 1e-3))

        def f(length):
            return rise / (length + 1e-3) + fall * length

        lengths = (f(z) - f(best)).mean()
        facts["p"] = prob
    if name == "magface":
        lengths = (a / 110 ** 2 + 1 / a).mean()
    return identity, lengths, facts
