#!/usr/bin/env python3
"""Steps of `qcface train` against the reference trainer in PyTorch, each from the same checkpoint (bench/equality/follow.py): figures
and all tensors within the bound, which tells trainers apart that are wrong in one thing."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy  # noqa: F401
    import torch
except ImportError as error:
    print(f"[qcface-skip] PyTorch or NumPy is missing: {error}")
    sys.exit(0)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/equality"))
from follow import follow, outside, record_run  # noqa: E402
from pack import philox  # noqa: E402
from reference_trainer import Trainer, parser  # noqa: E402

BATCH, VARIANTS = 4, ("plain", "reversed")
RECIPE = ["--arch", "mini", "--embed_dims", "32", "--lambda_g", "1", "--batch-size", str(BATCH), "--epochs", "2",
          "--lr", "0.05", "--lr-schedule", "cosine", "--warmup-steps", "3", "--weight-decay", "0.0005", "--dropout", "0",
          "--augment", "none", "--seed", "7", "--threads", "2"]


def qcface(*arguments):
    done = subprocess.run([os.environ["QCFACE_EXECUTABLE"], *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}")


class RateOfTheNextStep(Trainer):
    def rate(self, epoch, step):
        return super().rate(epoch, step + 1)


class NoDecayOfBatchNorm(Trainer):
    def groups(self):
        wide = [p for p in self.model.parameters() if p.dim() > 1]
        narrow = [p for p in self.model.parameters() if p.dim() <= 1]
        return [{"params": wide}, {"params": narrow, "weight_decay": 0.0}]


class NesterovMomentum(Trainer):
    def __init__(self, args):
        super().__init__(args)
        for group in self.optimiser.param_groups:
            group["nesterov"] = True


class FrozenT(Trainer):
    def step(self, chosen, rate):
        before = self.state["t"]
        record = super().step(chosen, rate)
        self.state["t"] = before
        return record


class NoDecayOfClassWeights(Trainer):
    def groups(self):
        return [{"params": list(self.model.backbone.parameters())}, {"params": [self.model.head.weight], "weight_decay": 0.0}]


class Equality(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="qcface-equality-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        qcface("data", "synth", "--out", cls.folder / "faces", "--identities", 6, "--pictures", 8, "--verify-identities", 4,
               "--verify-pictures", 4, "--pairs", 20, "--degrade-sources", 0, "--threads", 2)
        cls.pack = cls.folder / "faces.qpack"
        qcface("data", "convert", "--from", cls.folder / "faces/train", "--pixels", "--to", cls.pack)

    def trainer(self, kind, head, phase, *more):
        options = ["--data", self.pack, "--loss_model", head, "--phase", phase, *RECIPE, *more]
        return kind(parser().parse_args(list(map(str, options))))

    def check(self, head, phase, count, wrong):
        start, run = self.folder / f"{head}.pth", self.folder / f"{head}-{phase}"
        self.trainer(Trainer, head, phase).save(start)
        record_run(os.environ["QCFACE_EXECUTABLE"], self.pack, start, run, ["--loss_model", head, "--phase", phase, *RECIPE],
                   range(count))
        others = {v: self.trainer(Trainer, head, phase, "--variant", v) for v in VARIANTS}
        others.update({kind.__name__: self.trainer(kind, head, phase) for kind in wrong})
        rows = list(follow(run, start, self.trainer(Trainer, head, phase, "--dtype", "float64"), others, range(count)))
        self.assertEqual([row["step"] for row in rows], list(range(1, count + 1)))
        self.assertEqual(outside(rows, "qcface", VARIANTS, 1 / BATCH), [])
        for row in rows:
            for figure in ("loss_id", "z_mean"):
                self.assertLess(row["qcface"][figure], 1e-5, (row["step"], figure))
        for kind in wrong:
            with self.subTest(wrong=kind.__name__):
                self.assertNotEqual(outside(rows, kind.__name__, VARIANTS, 1 / BATCH), [])

    def test_identity_phase(self):
        self.check("qcface", "id", 2, (RateOfTheNextStep, NoDecayOfBatchNorm, NesterovMomentum))

    def test_norm_phase_with_t(self):
        self.check("qcface-cur", "norm", 3, (FrozenT, NoDecayOfClassWeights))

    def test_random_stream(self):
        # A known answer published with the generator (Random123, kat_vectors).
        self.assertEqual(philox((0, 0, 0, 0), (0, 0)), (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8))


if __name__ == "__main__":
    unittest.main()
