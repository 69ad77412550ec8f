#!/usr/bin/env python3
"""The training step of bench_step.cpp in PyTorch: same network, formulas and optimiser.

usage: peer_torch.py --arch ir18 --batch 16 --threads 2 --steps 10 [--layout nchw|nhwc] [--check FILE]
"""
import argparse
import json
import os
import time

ap = argparse.ArgumentParser()
ap.add_argument("--arch", default="ir18")
ap.add_argument("--batch", type=int, default=16)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--steps", type=int, default=10)
ap.add_argument("--warmup", type=int, default=2)
ap.add_argument("--dropout", type=float, default=0.4)
ap.add_argument("--layout", choices=["nchw", "nhwc"], default="nchw")
ap.add_argument("--check", default="")
args = ap.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import numpy as np
import torch

from torch_network import Network, formula, set_weights

torch.set_num_threads(args.threads)


def main():
    model = Network(args.arch, 0.0 if args.check else args.dropout).train()
    set_weights(model)
    images = formula(1, (args.batch, 3, 112, 112), 0.0, 1.0)
    probe = formula(2, (args.batch, 512), 0.0, 1.0 / 512)
    if args.layout == "nhwc":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    times, check = [], {"loss": []}
    for step in range(-args.warmup, args.steps):
        start = time.perf_counter()
        sgd.zero_grad(set_to_none=True)
        embeddings = model(images)
        embeddings.backward(probe)
        sgd.step()
        if step >= 0:
            times.append(time.perf_counter() - start)
        if args.check:
            check["loss"].append((embeddings.detach().double() * probe.double()).sum().item())
            check.setdefault("embeddings", embeddings.detach().flatten().tolist())
    rate = lambda q: args.batch / float(np.quantile(times, q))
    print(json.dumps(dict(program="torch " + torch.__version__, layout=args.layout, arch=args.arch, batch=args.batch,
                          threads=args.threads, steps=args.steps, images_per_s=rate(0.5), images_per_s_p20=rate(0.8),
                          images_per_s_p80=rate(0.2), step_seconds=times)))
    if args.check:
        with open(args.check, "w") as f:
            json.dump(check, f)


main()
