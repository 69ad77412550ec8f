#!/usr/bin/env python3
"""Trains the same network from the same weights on the same batches with `qcface train` and with PyTorch (reference_trainer.py),
lays losses, magnitudes and accuracy of every step and the weights at the end over each other, and judges the distance.

usage: compare.py --qcface build/dev/bin/qcface --faces FACES --out FOLDER [--python PYTHON] [--arch mini] [--batch-size 16]
                  [--steps 200] [--lr 0.1] [--heads qcface] [--phases id,norm] [--jobs 1] [--svg FILE] [--json FILE]

FACES is an image folder (`qcface data synth --out FOLDER` makes FOLDER/train). PYTHON needs torch. Runs that are complete in
FOLDER are not repeated. The bound: PyTorch runs in float64, and in float32 as often as --variants says, each adding the same
sums in another order; ours may be off the float64 run at a step by no more than 4 times what the farthest of PyTorch's float32
runs was off up to there. Exit status 1 where it is farther. Without --reference float64 (--reference native), the float32 run
with PyTorch's own convolutions stands in for it.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import needs_torch  # noqa: E402

needs_torch.check(__doc__)
import torch  # noqa: E402

import agreement  # noqa: E402
import plot  # noqa: E402


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--qcface", required=True)
    ap.add_argument("--faces", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--python", default=sys.executable)
    ap.add_argument("--arch", default="mini")
    ap.add_argument("--embed_dims", default="128")
    ap.add_argument("--batch-size", default="16")
    ap.add_argument("--steps", type=int, default=200)
    ap.add_argument("--epochs", default="3", help="length of the cosine schedule, at least --steps")
    ap.add_argument("--lr", default="0.1")
    ap.add_argument("--warmup-steps", default="20")
    ap.add_argument("--heads", default="qcface")
    ap.add_argument("--phases", default="id,norm")
    ap.add_argument("--variants", default="plain,reversed,channels-last,native")
    ap.add_argument("--reference", default="float64", choices=("float64", "native"))
    ap.add_argument("--jobs", type=int, default=1, help="runs at a time, of one thread each")
    ap.add_argument("--svg")
    ap.add_argument("--json")
    return ap.parse_args()


def call(command):
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    if done.returncode != 0:
        sys.exit("%s failed:\n%s" % (" ".join(map(str, command)), done.stdout[-3000:]))


class Case:
    """One head and phase: all runs of it, and what they gave."""

    def __init__(self, args, head, phase):
        self.args, self.head, self.phase = args, head, phase
        self.folder = pathlib.Path(args.out) / ("%s-%s-%s" % (args.arch, head, phase))
        self.start = pathlib.Path(args.out) / ("%s-%s.pth" % (args.arch, head))
        self.pack = pathlib.Path(args.out) / "faces.qpack"
        self.variants = [v for v in args.variants.split(",") if v != args.reference]
        self.recipe = ["--arch", args.arch, "--embed_dims", args.embed_dims, "--loss_model", head, "--phase", phase, "--lambda_g", 1,
                       "--batch-size", args.batch_size, "--epochs", args.epochs, "--max-steps", args.steps, "--lr", args.lr,
                       "--lr-schedule", "cosine", "--warmup-steps", args.warmup_steps, "--weight-decay", "0.0005",
                       "--dropout", 0, "--augment", "none", "--seed", 7, "--threads", 1]

    def runs(self):
        return ["qcface", self.args.reference, *self.variants]

    def prepare(self):
        if not self.pack.exists():
            call([self.args.qcface, "data", "convert", "--from", self.args.faces, "--pixels", "--to", self.pack])
        if not self.start.exists():
            call([self.args.python, HERE / "reference_trainer.py", "--data", self.pack, "--write-weights", self.start, "--arch",
                  self.args.arch, "--embed_dims", self.args.embed_dims, "--loss_model", self.head])

    def run(self, name):
        out = self.folder / name
        if (out / "done").exists():
            return
        if name == "qcface":
            call([self.args.qcface, "train", "--data_dirs", self.pack, "--weight_path", self.start, "--head", "keep", "--device",
                  "cpu", "--workers", 1, "--print-freq", 1, "--vis_mag", 0, "--no-report", "--pth-save-fold", out] + self.recipe)
        else:
            extra = ["--dtype", "float64"] if name == "float64" else ["--variant", name]
            call([self.args.python, HERE / "reference_trainer.py", "--data", self.pack, "--weights", self.start, "--out", out] +
                 self.recipe + extra)
        (out / "done").touch()

    def tensors(self, name):
        if name == "qcface":
            return agreement.read_safetensors(max((self.folder / name / "checkpoints").glob("step-*")))
        return {key: value.double().numpy() for key, value in torch.load(self.folder / name / "tensors.pt").items()}

    def judge(self):
        """Prints the tables; a record of all figures, and what lies outside of the bound."""
        read = {name: agreement.read_metrics(self.folder / name / "metrics.jsonl") for name in self.runs()}
        reference, others = read[self.args.reference], [read[v] for v in self.variants]
        record = {"arch": self.args.arch, "head": self.head, "phase": self.phase, "steps": [], "tensors": {}}
        print("\n%s, %s, phase %s, batch %s, lr %s: distance from PyTorch in %s (accuracy: share, else relative), running maximum" % (
            self.args.arch, self.head, self.phase, self.args.batch_size, self.args.lr, self.args.reference))
        print("%-9s %5s %9s | %s" % ("figure", "step", "qcface", " ".join("%13s" % v for v in self.variants)))
        for figure in agreement.FIGURES:
            if figure == "loss_g" and self.phase == "id":
                continue
            far = {n: numpy.maximum.accumulate(agreement.relative(read[n], reference, figure)) for n in read}
            for step in [s for s in (1, 2, 5, 10, 20, 50, 100, 200) if s <= self.args.steps]:
                row = {n: float(far[n][step - 1]) for n in ("qcface", *self.variants)}
                record["steps"].append({"figure": figure, "step": step, **row})
                print("%-9s %5d %9.1e | %s" % (figure, step, row["qcface"], " ".join("%13.1e" % row[v] for v in self.variants)))
        for figure in ("loss_id", "loss_g", "z_mean", "accuracy"):
            record["mean " + figure] = {n: float(read[n][figure].mean()) for n in read}
            print("%-9s mean of all steps: %s" % (figure, ", ".join("%s %.5g" % (n, read[n][figure].mean()) for n in read)))
        record["leave one out"] = {f: agreement.leave_one_out(others, reference, f) for f in ("loss_id", "z_mean")}
        print("largest ratio of one of PyTorch's runs to the others: %s" % record["leave one out"])
        wanted = self.tensors(self.args.reference)
        far = {n: agreement.tensor_distances(self.tensors(n), wanted) for n in read if n != self.args.reference}
        record["tensors"] = far
        for group in far["qcface"]:
            print("%-23s at the end: %9.1e | %s" % (group, far["qcface"][group], " ".join("%13.1e" % far[v][group] for v in self.variants)))
        wrong = agreement.outside(read["qcface"], others, reference, 1 / int(self.args.batch_size))
        wrong += agreement.tensors_outside(far["qcface"], [far[v] for v in self.variants], wanted)
        record["outside"] = wrong
        for sentence in wrong:
            print("OUTSIDE: " + sentence)
        losses = {n: list(read[n]["loss_id"]) for n in (self.args.reference, *self.variants, "qcface")}
        title = "%s, phase %s: " % (self.head, self.phase)
        far = {n: [max(v, 1e-8) for v in agreement.relative(read[n], reference, "loss_id")] for n in (*self.variants, "qcface")}
        self.curves = (title + "loss", losses, False), (title + "distance of the loss from " + self.args.reference, far, True)
        return record


def main():
    args = parse()
    os.makedirs(args.out, exist_ok=True)
    cases = [Case(args, head, phase) for head in args.heads.split(",") for phase in args.phases.split(",")]
    for case in cases:
        case.prepare()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda work: work[0].run(work[1]), [(case, name) for case in cases for name in case.runs()]))
    records = [case.judge() for case in cases]
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"options": vars(args), "torch": torch.__version__, "cases": records}, file, indent=1)
    if args.svg:
        names = [args.reference, *cases[0].variants, "qcface"]
        title = "%s, batch %s, lr %s, %d steps from the same weights" % (args.arch, args.batch_size, args.lr, args.steps)
        footer = "Identity loss. PyTorch %s; float32 but for the run that all are compared with." % torch.__version__
        pathlib.Path(args.svg).write_text(plot.svg(title, [case.curves for case in cases], names, footer))
    return 1 if any(record["outside"] for record in records) else 0


if __name__ == "__main__":
    sys.exit(main())
