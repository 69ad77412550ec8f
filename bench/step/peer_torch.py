"""The training step of bench_step.cpp in PyTorch: same network, formulas and optimiser.

usage: peer_torch.py --arch ir18 --batch 16 --threads 2 --steps 10 [--layout nchw|nhwc] [--check FILE]
"""
import argparse
import json
import math
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
from torch import nn

torch.set_num_threads(args.threads)
BLOCKS = {"ir18": (2, 2, 2, 2), "ir34": (3, 4, 6, 3), "ir50": (3, 4, 14, 3), "ir100": (3, 13, 30, 3)}


def norm2d(channels):
    return nn.BatchNorm2d(channels, eps=2e-5, momentum=0.9)


class Block(nn.Module):
    def __init__(self, inp, out, stride, down):
        super().__init__()
        self.bn1 = norm2d(inp)
        self.conv1 = nn.Conv2d(inp, out, 3, 1, 1, bias=False)
        self.bn2 = norm2d(out)
        self.prelu = nn.PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride, 1, bias=False)
        self.bn3 = norm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), norm2d(out)) if down else None

    def forward(self, x):
        u = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return u + (x if self.downsample is None else self.downsample(x))


class Network(nn.Module):
    def __init__(self, blocks, dropout):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = norm2d(64)
        self.prelu = nn.PReLU(64)
        inp = 64
        for layer, (width, count) in enumerate(zip((64, 128, 256, 512), blocks)):
            made = [Block(inp if b == 0 else width, width, 2 if b == 0 else 1, b == 0) for b in range(count)]
            setattr(self, "layer%d" % (layer + 1), nn.Sequential(*made))
            inp = width
        self.bn2 = norm2d(512)
        self.dropout = nn.Dropout2d(dropout)
        self.fc = nn.Linear(512 * 49, 512)
        self.features = nn.BatchNorm1d(512, eps=2e-5, momentum=0.9)

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.dropout(self.bn2(x)).flatten(1)))


def formula(stream, shape, offset, scale):
    i = np.arange(int(np.prod(shape)), dtype=np.uint32)
    h = i * np.uint32(2654435761) + np.uint32(stream * 40503)
    h ^= h >> np.uint32(15)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    v = offset + scale * ((h >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1)
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def set_weights(model):
    names = [n for n in model.state_dict() if not n.endswith("num_batches_tracked")]
    for i, name in enumerate(names):
        t = model.state_dict()[name]
        offset, scale = 0.0, 0.125
        if t.dim() > 1:
            scale = math.sqrt(3.0 / (t.numel() / t.shape[0]))
        elif name.endswith("prelu.weight"):
            offset = 0.25
        elif name.endswith("weight") or name.endswith("running_var"):
            offset = 1.0
        t.copy_(formula(100 + i, tuple(t.shape), offset, scale))


def main():
    model = Network(BLOCKS[args.arch], 0.0 if args.check else args.dropout).train()
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
