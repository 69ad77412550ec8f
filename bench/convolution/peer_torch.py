#!/usr/bin/env python3
"""PyTorch's convolutions at the shapes of qcface_bench_convolution_cuda: channels_last, cuDNN's own choice of kernels after
trying them, once free and once held to deterministic ones as ours are. fp32 means fp32: TF32 is off.

usage: peer_torch.py [--batch 512] [--shapes 64x112,128x56,256x14] [--types bf16,f16,f32] [--seconds 0.2] [--budget S]
                     [--device cuda] [--json FILE]: the rows are added to those that FILE holds. Exit status 77: no GPU
"""
import argparse
import json
import os
import sys
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--batch", type=int, default=512)
ap.add_argument("--shapes", default="64x112,128x56,256x14")
ap.add_argument("--types", default="bf16,f16,f32")
ap.add_argument("--seconds", type=float, default=0.2)
ap.add_argument("--budget", type=float, default=1e9)
ap.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a trial of this program")
ap.add_argument("--json")
args = ap.parse_args()
begun = time.monotonic()

import torch

if args.device == "cuda" and not torch.cuda.is_available():
    print("peer_torch.py: this PyTorch sees no GPU", file=sys.stderr)
    sys.exit(77)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}

report = {"schema": 1, "left_out": [], "rows": []}
if args.json and os.path.exists(args.json):
    with open(args.json) as f:
        report = json.load(f)


def write():
    if args.json:
        with open(args.json + ".tmp", "w") as f:
            json.dump(report, f, indent=1)
        os.replace(args.json + ".tmp", args.json)


def sample(work):
    """Milliseconds of one run, on the device's clock."""
    if args.device == "cpu":
        start = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - start)
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    work()
    after.record()
    after.synchronize()
    return before.elapsed_time(after)


def measure(work):
    for seconds in (args.seconds / 2, args.seconds):  # the first time warms up
        samples, start = [], time.monotonic()
        while len(samples) < 5 or (time.monotonic() - start < seconds and len(samples) < 400):
            samples.append(sample(work))
    samples.sort()
    return [samples[round(q * (len(samples) - 1))] for q in (0.2, 0.5, 0.8)]


for type_name in args.types.split(","):
    for shape in args.shapes.split(","):
        channels, side = map(int, shape.split("x"))
        if time.monotonic() - begun >= args.budget:
            report["left_out"].append(f"PyTorch {shape} {type_name}: the budget was used up")
            continue
        place = dict(device=args.device, dtype=TYPES[type_name])
        x, dy = (torch.randn(args.batch, channels, side, side, **place).contiguous(memory_format=torch.channels_last)
                 for _ in range(2))
        w = torch.randn(channels, channels, 3, 3, **place).contiguous(memory_format=torch.channels_last)

        def backward(data, weights):
            return torch.ops.aten.convolution_backward(dy, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
                                                       [data, weights, False])

        for deterministic in (False, True):
            torch.backends.cudnn.deterministic = deterministic
            for kind, work in (("forward", lambda: torch.nn.functional.conv2d(x, w, padding=1)),
                               ("data", lambda: backward(True, False)), ("weights", lambda: backward(False, True))):
                p20, median, p80 = measure(work)
                report["rows"].append({
                    "implementation": f"torch {torch.__version__}" + (", deterministic" if deterministic else ""),
                    "shape": shape, "n": args.batch, "type": type_name, "kind": kind, "ms_median": median, "ms_p20": p20,
                    "ms_p80": p80, "gflops": 18 * args.batch * side * side * channels**2 / median * 1e-6})
                print(f"{shape} {type_name} {kind}{' deterministic' if deterministic else ''}: {median:.3f} ms", flush=True)
                write()
write()
