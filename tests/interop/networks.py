"""The published networks in PyTorch, written from their description (docs/iresnet.md, docs/data-formats.md section 5), with
random weights and running statistics that fit them."""
import torch
from torch import nn

BLOCKS = {"ir18": (2, 2, 2, 2), "ir50": (3, 4, 14, 3), "ir100": (3, 13, 30, 3), "mini": (1, 1, 1, 1)}
WIDTHS = {"mini": (16, 32, 64, 128)}


class Block(nn.Module):
    def __init__(self, inp, out, first, eps):
        super().__init__()
        stride = 2 if first else 1
        self.bn1 = nn.BatchNorm2d(inp, eps)
        self.conv1 = nn.Conv2d(inp, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out, eps)
        self.prelu = nn.PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out, eps)
        self.downsample = None
        if first:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out, eps))

    def forward(self, x):
        u = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return u + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    def __init__(self, arch, eps, embed=512):
        super().__init__()
        widths = WIDTHS.get(arch, (64, 128, 256, 512))
        inp = widths[0]
        self.conv1 = nn.Conv2d(3, inp, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inp, eps)
        self.prelu = nn.PReLU(inp)
        for layer, (width, count) in enumerate(zip(widths, BLOCKS[arch])):
            blocks = [Block(inp if b == 0 else width, width, b == 0, eps) for b in range(count)]
            setattr(self, f"layer{layer + 1}", nn.Sequential(*blocks))
            inp = width
        self.bn2 = nn.BatchNorm2d(inp, eps)
        self.fc = nn.Linear(inp * 49, embed)
        self.features = nn.BatchNorm1d(embed, eps)

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.bn2(x).flatten(1)))


class FaceModel(nn.Module):
    """The published module as far as its state goes. t: the buffer of the curricular head."""

    def __init__(self, backbone, classes, embed=512, t=False):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Module()
        self.head.weight = nn.Parameter(torch.randn(embed, classes))
        if t:
            self.head.register_buffer("t", torch.zeros(1))


class AdaBlock(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        if inp == out:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.res_layer = nn.Sequential(nn.BatchNorm2d(inp), nn.Conv2d(inp, out, 3, 1, 1, bias=False),
                                       nn.BatchNorm2d(out), nn.PReLU(out),
                                       nn.Conv2d(out, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return self.res_layer(x) + self.shortcut_layer(x)


class AdaFaceNet(nn.Module):
    def __init__(self, arch, embed=512):
        super().__init__()
        widths = WIDTHS.get(arch, (64, 128, 256, 512))
        inp = widths[0]
        self.input_layer = nn.Sequential(nn.Conv2d(3, inp, 3, 1, 1, bias=False), nn.BatchNorm2d(inp), nn.PReLU(inp))
        blocks = []
        for width, count in zip(widths, BLOCKS[arch]):
            for b in range(count):
                blocks.append(AdaBlock(inp, width, 2 if b == 0 else 1))
                inp = width
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(nn.BatchNorm2d(inp), nn.Dropout(0.4), nn.Flatten(), nn.Linear(inp * 49, embed),
                                          nn.BatchNorm1d(embed, affine=False))

    def forward(self, x):
        return self.output_layer(self.body(self.input_layer(x)))


def randomise(network, images, seed=1):
    """Random weights; running statistics of these images, then moved a little, so that none is 0 and 1 or fits exactly."""
    torch.manual_seed(seed)
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.4)
    for norm in norms:
        norm.momentum = 1.0
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.75, 1.25)
            nn.init.uniform_(norm.bias, -0.1, 0.1)
    with torch.no_grad():
        network.train()(images)
        for norm in norms:
            if isinstance(norm, nn.BatchNorm1d):  # so few pictures hardly differ in some values, which would become huge
                norm.running_var[:] = norm.running_var.mean()
            norm.running_mean += 0.1 * torch.randn_like(norm.running_mean) * norm.running_var.sqrt()
            norm.running_var *= 0.75 + 0.5 * torch.rand_like(norm.running_var)
            norm.num_batches_tracked += 7
    return network.eval()


def embed(network, images):
    with torch.no_grad():
        return network.eval()(images).numpy()
