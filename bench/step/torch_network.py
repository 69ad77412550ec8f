"""The IResNets in PyTorch, with the inputs and initial weights that the benchmarks of ours make by formula."""
import math

import numpy as np
import torch
from torch import nn

BLOCKS = {"ir18": (2, 2, 2, 2), "ir34": (3, 4, 6, 3), "ir50": (3, 4, 14, 3), "ir100": (3, 13, 30, 3), "mini": (1, 1, 1, 1),
          "tiny": (1, 1, 1, 1)}
WIDTHS = {"mini": (16, 32, 64, 128), "tiny": (8, 8, 16, 16)}


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
    """embed: width of the embedding; side: of the pictures, a multiple of 16. "tiny" is for trials."""

    def __init__(self, arch, dropout, embed=512, side=112):
        super().__init__()
        widths = WIDTHS.get(arch, (64, 128, 256, 512))
        inp = widths[0]
        self.conv1 = nn.Conv2d(3, inp, 3, 1, 1, bias=False)
        self.bn1 = norm2d(inp)
        self.prelu = nn.PReLU(inp)
        for layer, (width, count) in enumerate(zip(widths, BLOCKS[arch])):
            made = [Block(inp if b == 0 else width, width, 2 if b == 0 else 1, b == 0) for b in range(count)]
            setattr(self, "layer%d" % (layer + 1), nn.Sequential(*made))
            inp = width
        self.bn2 = norm2d(inp)
        self.dropout = nn.Dropout2d(dropout)
        self.fc = nn.Linear(inp * (side // 16) ** 2, embed)
        self.features = nn.BatchNorm1d(embed, eps=2e-5, momentum=0.9)

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.dropout(self.bn2(x)).flatten(1)))


def initialise(model):
    """The published initial values (docs/iresnet.md section 3), from torch's generator."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, 0.25)
        elif isinstance(module, nn.Linear):
            bound = module.in_features ** -0.5
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.uniform_(module.bias, -bound, bound)


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
