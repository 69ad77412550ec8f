#!/usr/bin/env python3
"""A training step in PyTorch as people run it on a GPU: AMP, channels_last, cuDNN's own choice of kernels, SGD with momentum,
a head with materialised logits of all classes. Prints one row of JSON. bench/step/compare.py calls it.

usage: peer_torch_cuda.py --arch ir50 --batch 512 --type bf16|f16|f32 --mode eager|compiled|reduce-overhead
                          [--head arcface|qcface] [--classes 93431] [--seconds 1] [--warmup 0.5] [--device cuda|cpu]

The pictures are random bytes in page-locked memory, copied and normalised on the GPU in every step. A sample is the time
from step to step, with at most two steps under way, as in qcface_bench_step_cuda. fp32 means fp32: TF32 is off, as ours is.
arcface is InsightFace's head; it is the cheaper one, so that PyTorch is not charged for the published form of qcface.
"""
import argparse
import collections
import json
import math
import os
import sys
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--arch", default="ir18")
ap.add_argument("--batch", type=int, default=512)
ap.add_argument("--type", choices=["bf16", "f16", "f32"], default="bf16")
ap.add_argument("--mode", choices=["eager", "compiled", "reduce-overhead"], default="eager")
ap.add_argument("--head", choices=["arcface", "qcface"], default="arcface")
ap.add_argument("--classes", type=int, default=93431)
ap.add_argument("--side", type=int, default=112)
ap.add_argument("--width", type=int, default=512)
ap.add_argument("--seconds", type=float, default=1)
ap.add_argument("--warmup", type=float, default=0.5)
ap.add_argument("--samples-min", type=int, default=10)
ap.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a trial of this program")
args = ap.parse_args()

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from torch_network import Network, set_weights  # noqa: E402

MEAN, STD = (0.5312, 0.4265, 0.3753), (0.2873, 0.2555, 0.2496)
ON_GPU = args.device == "cuda"
if ON_GPU and not torch.cuda.is_available():
    print("peer_torch_cuda.py: this PyTorch sees no GPU", file=sys.stderr)
    sys.exit(77)


class Head(torch.nn.Module):
    """Logits [N, K] in memory, the target's entry moved; with qcface the guidance of the length too (phase norm)."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(F.normalize(torch.randn(args.classes, args.width)))

    def forward(self, x, label):
        cosine = F.linear(F.normalize(x), F.normalize(self.weight)).float().clamp(-1, 1)
        rows = torch.arange(len(label), device=label.device)
        if args.head == "arcface":
            logits = cosine
            with torch.no_grad():
                logits[rows, label] = torch.cos(torch.acos(logits[rows, label]) + 0.5)
            return F.cross_entropy(logits * 64.0, label)
        own = cosine[rows, label]
        margin = own * math.cos(0.5) - torch.sqrt((1 - own * own).clamp(min=1e-9)) * math.sin(0.5)
        moved = torch.where(own > 0, margin, own)
        loss = F.cross_entropy(64.0 * cosine.index_put((rows, label), moved), label)
        p = torch.softmax(64.0 * cosine, 1)[rows, label].detach()
        z, ua, la, eps = torch.norm(x.float(), 2, 1), 100.0, 1.0, 1e-3
        k = (ua / la) ** 2 * (ua + 3 * la) / (3 * ua + la)
        f = lambda v: k * p * (1 / (v + eps) + v / ua ** 2) + (1 - p) * (1 / (v + eps) + v / la ** 2)
        best = torch.sqrt((1 + (k - 1) * p) / (1 / la ** 2 + (k / ua ** 2 - 1 / la ** 2) * p + eps)).detach()
        return loss + (f(z) - f(best)).mean()


class Step(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Network(args.arch, 0.4, args.width, args.side)
        self.head = Head()
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(STD).view(1, 3, 1, 1)))

    def forward(self, pixels, label):
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) * self.scale  # the bytes are channels-last already
        return self.head(self.backbone(images), label)


def sgd(parameters):
    options = dict(lr=1e-3, momentum=0.9, weight_decay=5e-4)
    try:
        return torch.optim.SGD(parameters, fused=ON_GPU, **options)
    except (TypeError, RuntimeError):  # older than fused SGD
        return torch.optim.SGD(parameters, **options)


def main():
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = Step().train()
    with torch.no_grad():
        set_weights(model.backbone)
    model = model.to(args.device, memory_format=torch.channels_last)
    run = model
    if args.mode != "eager":
        if not hasattr(torch, "compile"):
            print("peer_torch_cuda.py: torch %s has no torch.compile" % torch.__version__, file=sys.stderr)
            sys.exit(78)
        run = torch.compile(model, **({} if args.mode == "compiled" else {"mode": args.mode}))
    optimiser = sgd(model.parameters())
    half = {"bf16": torch.bfloat16, "f16": torch.float16}.get(args.type)
    scaler = torch.cuda.amp.GradScaler() if args.type == "f16" and ON_GPU else None
    pixels = torch.randint(0, 256, (args.batch, args.side, args.side, 3), dtype=torch.uint8)
    label = torch.arange(args.batch) * 7919 % args.classes
    if ON_GPU:
        pixels, label = pixels.pin_memory(), label.pin_memory()
    under_way = collections.deque()

    def step():
        on_device = pixels.to(args.device, non_blocking=True), label.to(args.device, non_blocking=True)
        with torch.autocast(args.device, dtype=half or torch.bfloat16, enabled=half is not None):
            loss = run(*on_device)
        optimiser.zero_grad(set_to_none=True)
        if scaler:
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
        else:
            loss.backward()
            optimiser.step()
        if ON_GPU:
            done = torch.cuda.Event()
            done.record()
            under_way.append(done)
            if len(under_way) == 2:
                under_way.popleft().synchronize()
        return loss

    for _ in range(4):  # tuning, compilation, graphs
        loss = step()
    warm = time.perf_counter()
    while time.perf_counter() - warm < args.warmup:
        loss = step()
    samples, start = [], time.perf_counter()
    last = start
    while len(samples) < args.samples_min or (last - start < args.seconds and len(samples) < 400):
        loss = step()
        now = time.perf_counter()
        samples.append(1e3 * (now - last))
        last = now
    value = loss.item()
    assert math.isfinite(value), "the loss is %r" % value
    row = dict(arch=args.arch, head=args.head, type=args.type, update="sgd", n=args.batch, d=args.width, k=args.classes,
               samples=len(samples), samples_ms=[round(ms, 4) for ms in samples], loss_id=value,
               library="torch " + torch.__version__, device_name=torch.cuda.get_device_name(0) if ON_GPU else "cpu")
    if ON_GPU:
        row["extra_bytes"] = torch.cuda.max_memory_reserved()
        row["cuda"], row["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    print(json.dumps(row))


main()
