#!/usr/bin/env python3
"""The published training in PyTorch, as plainly as it can be written: the network of bench/step/torch_network.py, the heads of
published_heads.py, autograd and torch.optim.SGD. Its options have the names of `qcface train`, and so have the figures it
writes, so that the two can be laid over each other (compare.py).

usage: reference_trainer.py --data FACES.qpack --out FOLDER [options]
       reference_trainer.py --data FACES.qpack --out FOLDER --weights START.pth --seed 0 --dtype float64
       reference_trainer.py --data FACES.qpack --write-weights START.pth     initial weights in the published names, no training

FACES.qpack is a pack of pixels (`qcface data convert --from FACES --pixels --to FACES.qpack`), so that no decoder comes between.
With --weights everything is what qcface does with --weight_path START.pth --head keep: the same batches in the same order,
which is drawn from --seed. Without, initial values are torch's own draws by that seed. --augment published needs albumentations.

--variant says how the same sums are taken in another order: `plain`; `reversed` the rows of every batch; `channels-last`
memory; `native`, torch's own convolutions in place of oneDNN's. FOLDER gets metrics.jsonl (a line a step) and weights.pth.
"""
import argparse
import json
import math
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import needs_torch  # noqa: E402

needs_torch.check(__doc__)
import numpy as np  # noqa: E402
import torch  # noqa: E402

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "step"))
sys.path.insert(2, str(pathlib.Path(__file__).resolve().parents[1] / "augment"))
from pack import epoch_order, read_pack  # noqa: E402
from published_heads import SETTINGS, initial_state, published_loss  # noqa: E402
from torch_network import Network, initialise  # noqa: E402

MEAN, STD = (0.5312, 0.4265, 0.3753), (0.2873, 0.2555, 0.2496)
VARIANTS = ("plain", "reversed", "channels-last", "native")


def parser():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--out")
    ap.add_argument("--weights", help="start from this file")
    ap.add_argument("--write-weights", help="write initial weights and end")
    ap.add_argument("--arch", default="mini")
    ap.add_argument("--embed_dims", type=int, default=128)
    ap.add_argument("--loss_model", default="qcface", choices=sorted(SETTINGS))
    ap.add_argument("--phase", default="norm", choices=("id", "norm"))
    ap.add_argument("--lambda_g", type=float, default=1.0)
    ap.add_argument("--batch-size", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=6)
    ap.add_argument("--max-steps", type=int, default=0)
    ap.add_argument("--lr", type=float, default=0.1)
    ap.add_argument("--lr-schedule", default="cosine", choices=("step", "cosine"))
    ap.add_argument("--lr-drop-epoch", default="30,60,90")
    ap.add_argument("--lr-drop-ratio", type=float, default=0.1)
    ap.add_argument("--lr-min", type=float, default=0.0)
    ap.add_argument("--warmup-steps", type=int, default=0)
    ap.add_argument("--momentum", type=float, default=0.9)
    ap.add_argument("--weight-decay", type=float, default=5e-4)
    ap.add_argument("--dropout", type=float, default=0.0)
    ap.add_argument("--augment", default="none", choices=("none", "published"))
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    ap.add_argument("--variant", default="plain", choices=VARIANTS)
    ap.add_argument("--threads", type=int, default=1)
    return ap


class FaceModel(torch.nn.Module):
    """The published module: backbone.*, head.weight [D, K], and head.t of the curricular head."""

    def __init__(self, args, classes):
        super().__init__()
        self.backbone = Network(args.arch, args.dropout, args.embed_dims)
        initialise(self.backbone)
        self.head = torch.nn.Module()
        columns = torch.rand(args.embed_dims, classes) * 2 - 1
        self.head.weight = torch.nn.Parameter(columns / columns.norm(dim=0))
        if args.loss_model == "qcface-cur":
            self.head.register_buffer("t", torch.zeros(1))


class Trainer:
    """The run that the options name. Methods are what tests change to see that the comparison notices."""

    def __init__(self, args):
        self.args = args
        torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        self.pictures, self.labels, classes = read_pack(args.data)
        self.model = FaceModel(args, classes)
        if args.weights:
            self.model.load_state_dict(torch.load(args.weights)["state_dict"])
        self.state = initial_state()
        self.settings = SETTINGS[args.loss_model]
        self.type = getattr(torch, args.dtype)
        self.model = self.model.to(self.type).train()
        if args.variant == "channels-last":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(self.groups(), lr=args.lr, momentum=args.momentum, weight_decay=args.weight_decay)
        self.steps_an_epoch = -(-len(self.labels) // args.batch_size)
        if args.augment == "published":
            self.prepare_augmentation()

    def prepare_augmentation(self):
        import random

        import cv2
        from peer_albumentations import published
        cv2.setNumThreads(1)
        random.seed(self.args.seed)
        np.random.seed(self.args.seed)
        self.augment = published()

    def groups(self):
        return [{"params": list(self.model.parameters())}]

    def rate(self, epoch, step):
        """Learning rate of step `step` of epoch `epoch`, both from 0."""
        a, k = self.args, epoch * self.steps_an_epoch + step
        rate = a.lr
        if a.lr_schedule == "step":
            rate *= a.lr_drop_ratio ** sum(int(drop) <= epoch for drop in a.lr_drop_epoch.split(","))
        else:
            u = (k - a.warmup_steps) / (a.epochs * self.steps_an_epoch - a.warmup_steps)
            rate = a.lr_min + (a.lr - a.lr_min) * (1 + math.cos(math.pi * min(max(u, 0), 1))) / 2
        return rate * (k + 1) / a.warmup_steps if k < a.warmup_steps else rate

    def batch(self, chosen):
        pixels = self.pictures[chosen]
        if self.args.augment == "published":
            pixels = np.stack([self.augment(image=p)["image"] for p in pixels])
        images = ((pixels / 255.0 - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2)
        images = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).to(self.type)
        if self.args.variant == "channels-last":
            images = images.contiguous(memory_format=torch.channels_last)
        return images, torch.from_numpy(self.labels[chosen])

    def step(self, chosen, rate):
        images, labels = self.batch(chosen)
        embeddings = self.model.backbone(images)
        identity, lengths, facts = published_loss(self.args.loss_model, embeddings, self.model.head.weight.T, labels,
                                                  self.settings, self.state)
        norm = self.args.phase == "norm"
        loss = identity + self.args.lambda_g * lengths if norm else identity
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return {"loss": float(loss), "loss_id": float(identity), "loss_g": float(lengths) if norm else 0.0,
                "accuracy": facts["top1"] / len(labels), "z_mean": float(facts["z"].mean()), "lr": rate}

    def run(self):
        """Figures of each step."""
        a = self.args
        for done in range(a.max_steps or a.epochs * self.steps_an_epoch):
            epoch, step = divmod(done, self.steps_an_epoch)
            yield {"kind": "step", "epoch": epoch, "step": step, "global_step": done + 1, **self.step_at(done)}

    def tensors(self):
        """Weights, statistics, head and velocities (slot0.*) as a checkpoint of qcface names them."""
        if self.args.loss_model == "qcface-cur":
            self.model.head.t.fill_(float(self.state["t"]))
        tensors = {name: value.detach() for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            kept = self.optimiser.state[parameter].get("momentum_buffer")
            if kept is not None:
                tensors["slot0." + name] = kept
        return tensors

    def load(self, tensors):
        """Goes on from a checkpoint of qcface: arrays by name, velocities among them after the first step."""
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if not name.endswith("num_batches_tracked"):
                    value.copy_(torch.from_numpy(tensors[name]).reshape(value.shape))
            for name, parameter in self.model.named_parameters():
                kept = tensors.get("slot0." + name, np.zeros(parameter.shape))
                self.optimiser.state[parameter]["momentum_buffer"] = torch.tensor(kept, dtype=self.type).reshape(parameter.shape)
        if "head.t" in tensors:
            self.state["t"] = torch.tensor(float(tensors["head.t"].reshape(())), dtype=torch.float64)

    def chosen(self, epoch, step):
        """Pictures of a batch."""
        a = self.args
        chosen = epoch_order(len(self.labels), a.seed, epoch)[step * a.batch_size:(step + 1) * a.batch_size]
        return chosen[::-1] if a.variant == "reversed" else chosen

    def step_at(self, global_step):
        """Step number `global_step` of the run, from 0."""
        epoch, step = divmod(global_step, self.steps_an_epoch)
        with torch.backends.mkldnn.flags(enabled=self.args.variant != "native"):
            return self.step(self.chosen(epoch, step), self.rate(epoch, step))

    def save(self, path):
        state = {name: value for name, value in self.tensors().items() if not name.startswith("slot0.")}
        torch.save({"epoch": 0, "arch": self.args.arch, "state_dict": state}, path)


def main():
    args = parser().parse_args()
    if bool(args.out) == bool(args.write_weights):
        sys.exit("reference_trainer.py: give either --out FOLDER or --write-weights FILE")
    trainer = Trainer(args)
    if args.write_weights:
        trainer.save(args.write_weights)
        return
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "metrics.jsonl"), "w") as metrics:
        for record in trainer.run():
            print(json.dumps(record), file=metrics, flush=True)
    trainer.save(os.path.join(args.out, "weights.pth"))
    torch.save(trainer.tensors(), os.path.join(args.out, "tensors.pt"))


if __name__ == "__main__":
    main()
