#!/usr/bin/env python3
"""`qcface train` against the reference trainer in PyTorch, a few steps of mini from the same weights: figures of every step, and
all tensors at the end, within the bound of bench/equality/agreement.py. Wrong trainers are told apart by it."""
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
from agreement import (outside, read_metrics, read_safetensors, series, tensor_distances,  # noqa: E402
                       tensors_outside)
from pack import philox  # noqa: E402
from reference_trainer import Trainer, parser  # noqa: E402

BATCH, STEPS = 8, 16
RECIPE = ["--arch", "mini", "--embed_dims", "32", "--lambda_g", "1", "--batch-size", str(BATCH), "--epochs", "4", "--max-steps", str(STEPS),
          "--lr", os.environ.get("LR","0.0004"), "--lr-schedule", "cosine", "--warmup-steps", "5", "--weight-decay", "0.005", "--dropout", "0",
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


class OldT(Trainer):
    """Uses t as the step before left it."""

    def step(self, chosen, rate):
        if not hasattr(self, "after"):
            self.after = self.state["t"]
        before = self.after
        record = super().step(chosen, rate)
        self.after, self.state["t"] = self.state["t"], before
        return record


class Equality(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="qcface-equality-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        qcface("data", "synth", "--out", cls.folder / "faces", "--identities", 6, "--pictures", 8, "--verify-identities", 4,
               "--verify-pictures", 4, "--pairs", 20, "--degrade-sources", 0, "--threads", 2)
        cls.pack = cls.folder / "faces.qpack"
        qcface("data", "convert", "--from", cls.folder / "faces/train", "--pixels", "--to", cls.pack)

    def torch_run(self, kind, head, phase, start, *more):
        args = ["--data", self.pack, "--out", "-", "--loss_model", head, "--phase", phase, *RECIPE, *more]
        trainer = kind(parser().parse_args(list(map(str, args)) + (["--weights", str(start)] if start else [])))
        if start is None:
            return trainer
        steps = list(trainer.run())
        return series(steps), {name: value.double().numpy() for name, value in trainer.tensors().items()}

    def check(self, head, phase, wrong):
        start = self.folder / f"{head}.pth"
        self.torch_run(Trainer, head, phase, None).save(start)
        run = self.folder / f"{head}-{phase}"
        qcface("train", "--data_dirs", self.pack, "--weight_path", start, "--head", "keep", "--loss_model", head, "--phase", phase,
               "--device", "cpu", "--workers", 1, "--print-freq", 1, "--vis_mag", 0, "--no-report", "--pth-save-fold", run, *RECIPE)
        ours = read_metrics(run / "metrics.jsonl"), read_safetensors(max((run / "checkpoints").glob("step-*")))
        exact = self.torch_run(Trainer, head, phase, start, "--dtype", "float64")
        variants = [self.torch_run(Trainer, head, phase, start, "--variant", v) for v in ("plain", "reversed", "channels-last")]
        distances = [tensor_distances(v[1], exact[1]) for v in variants]

        def complaints(run):
            return (outside(run[0], [v[0] for v in variants], exact[0], 1 / BATCH) +
                    tensors_outside(tensor_distances(run[1], exact[1]), distances, exact[1]))

        self.assertEqual(len(ours[0]["loss_id"]), STEPS)
        self.assertEqual(complaints(ours), [])
        for name in ("loss_id", "z_mean"):  # before rounding has grown
            self.assertLess(abs(ours[0][name][:2] / exact[0][name][:2] - 1).max(), 1e-5, name)
        for kind in wrong:
            with self.subTest(wrong=kind.__name__):
                self.assertNotEqual(complaints(self.torch_run(kind, head, phase, start)), [])

    def test_identity_phase(self):
        self.check("qcface", "id", (RateOfTheNextStep, NoDecayOfBatchNorm, NesterovMomentum))

    def test_norm_phase_with_t(self):
        self.check("qcface-cur", "norm", (OldT,))

    def test_random_stream(self):
        # A known answer published with the generator (Random123, kat_vectors).
        self.assertEqual(philox((0, 0, 0, 0), (0, 0)), (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8))


if __name__ == "__main__":
    unittest.main()
