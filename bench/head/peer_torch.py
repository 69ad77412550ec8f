#!/usr/bin/env python3
"""The published style of the QCFace head as a dense PyTorch module, timed: the peer of qcface_bench_head.

usage: peer_torch.py --n 64 --d 512 --k 93431 --threads 2 [--head qcface|qcface-cur|qcface-mv] [--phase norm|id]
                     [--seconds 3] [--products] [--check-memory]

Prints one line of JSON. The step is forward and backward: loss, dx and dw, by autograd. --products times the three
bare matrix products (cosines, dx, dw) instead. --check-memory measures the peak resident memory of one step beyond
x, w, dx and dw, in this process, and times nothing else.
"""
import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F


def mix(h):
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def fill(seed, rows, columns):
    """The values of qcface_bench_head."""
    with np.errstate(over="ignore"):
        key = mix(np.array([seed], dtype=np.uint32))
        h = mix(np.arange(rows * columns, dtype=np.uint32) ^ key)
    v = ((h >> np.uint32(8)).astype(np.int32) - (1 << 23)).astype(np.float32) * np.float32(2.0 ** -23)
    return torch.from_numpy(v).reshape(rows, columns)


class Head(torch.nn.Module):
    """Weights [D, K] as published; every intermediate is an [N, K] tensor that autograd keeps."""

    def __init__(self, weight, head, s=64.0, m=0.5, ua=100.0, la=1.0, eps=1e-3, a=1.12):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)
        self.head, self.s, self.m, self.a = head, s, m, a
        self.ua, self.la, self.eps = ua, la, eps
        self.k = (ua / la) ** 2 * (ua + 3 * la) / (3 * ua + la)
        self.register_buffer("t", torch.zeros(1))

    def guidance(self, z, p):
        k, ua, la, eps = self.k, self.ua, self.la, self.eps
        f = lambda v: k * p * (1 / (v + eps) + v / ua ** 2) + (1 - p) * (1 / (v + eps) + v / la ** 2)
        best = torch.sqrt((1 + (k - 1) * p) / (1 / la ** 2 + (k / ua ** 2 - 1 / la ** 2) * p + eps)).detach()
        return (f(z) - f(best)).mean()

    def forward(self, x, label, guide):
        z = torch.norm(x, 2, 1, keepdim=True)
        cosine = torch.mm(F.normalize(x), F.normalize(self.weight, dim=0)).clamp(-1, 1)
        sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(min=1e-9))
        margin = cosine * math.cos(self.m) - sine * math.sin(self.m)
        if self.head == "qcface-cur":
            fallback = torch.where(cosine > math.cos(math.pi - self.m), margin,
                                   cosine - math.sin(math.pi - self.m) * self.m)
        else:
            fallback = torch.where(cosine > 0, margin, cosine)
        negative = cosine
        if self.head != "qcface":
            target = cosine.gather(1, label.view(-1, 1))
            hard = cosine > margin.gather(1, label.view(-1, 1))
            if self.head == "qcface-cur":
                with torch.no_grad():
                    self.t = target.mean() * 0.01 + 0.99 * self.t
                negative = torch.where(hard, cosine * (self.t + cosine), cosine)
            else:
                negative = torch.where(hard, self.a * cosine + self.a - 1.0, cosine)
        one_hot = torch.zeros_like(cosine)
        one_hot.scatter_(1, label.view(-1, 1), 1.0)
        output = (one_hot * fallback + (1.0 - one_hot) * negative) * self.s
        loss_id = F.cross_entropy(output, label)
        loss = loss_id
        if guide:
            p = torch.softmax(cosine * self.s, 1).gather(1, label.view(-1, 1)).detach()
            loss = loss + self.guidance(z, p)
        return loss, loss_id


def status_kib(field):
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def one_step(module, x, label, guide):
    module.weight.grad = None
    x.grad = None
    loss, loss_id = module(x, label, guide)
    loss.backward()
    return float(loss_id.detach())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--n", type=int, default=64)
    ap.add_argument("--d", type=int, default=512)
    ap.add_argument("--k", type=int, default=93431)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--head", default="qcface", choices=["qcface", "qcface-cur", "qcface-mv"])
    ap.add_argument("--phase", default="norm", choices=["norm", "id"])
    ap.add_argument("--seconds", type=float, default=3)
    ap.add_argument("--products", action="store_true")
    ap.add_argument("--check-memory", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    out = dict(program="peer_torch", torch=torch.__version__, head=a.head, phase=a.phase, n=a.n, d=a.d, k=a.k,
               threads=a.threads)
    x = fill(1, a.n, a.d).requires_grad_(True)
    weight = fill(2, a.k, a.d).t().contiguous()
    label = torch.tensor([(i * 7919) % a.k for i in range(a.n)])
    guide = a.phase == "norm"
    if a.products:
        xd, g = x.detach(), fill(3, a.n, a.k)
        step = lambda: (torch.mm(xd, weight), torch.mm(g, weight.t()), torch.mm(xd.t(), g))
        out["program"] = "peer_torch_products"
    else:
        # libraries and their threads come up on a small problem, so that they are not counted below
        small = Head(weight[:, :512].contiguous(), a.head)
        for _ in range(3):
            one_step(small, x, label % 512, guide)
        module = Head(weight, a.head)
        step = lambda: one_step(module, x, label, guide)
        if a.check_memory:
            with open("/proc/self/clear_refs", "w") as f:
                f.write("5")
            before = status_kib("VmRSS")
            step()
            grown = (status_kib("VmHWM") - before) * 1024
            out["extra_peak_bytes"] = grown - 4 * a.k * a.d - 4 * a.n * a.d
            print(json.dumps(out))
            return
        out["loss_id"] = step()
    step()
    ms, cpu, start = [], time.process_time(), time.perf_counter()
    while time.perf_counter() - start < a.seconds or len(ms) < 5:
        t = time.perf_counter()
        step()
        ms.append((time.perf_counter() - t) * 1e3)
    out["cpu_ms"] = (time.process_time() - cpu) * 1e3 / len(ms)
    ms.sort()
    at = lambda q: ms[round(q * (len(ms) - 1))]
    out.update(runs=len(ms), ms_median=at(0.5), ms_p20=at(0.2), ms_p80=at(0.8))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
