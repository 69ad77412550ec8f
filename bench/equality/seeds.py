#!/usr/bin/env python3
"""Whole trainings of qcface and of the PyTorch reference, shuffled and augmented, over several seeds: do their final figures lie
within each other's spread? Each program draws its own initial weights, order and augmentation; `qcface eval verify` measures
both (mini, qcface in phase norm with lambda 1, SGD 0.1 with a cosine and warm-up, the published augmentation).

usage: seeds.py --qcface build/dev/bin/qcface --faces FACES --out FOLDER [--python PYTHON] [--seeds 1,2,3,4,5] [--epochs 6]
                [--augment published|none] [--program qcface|torch|both] [--json FILE]

FACES is what `qcface data synth --out FACES` made. PYTHON needs torch, OpenCV and, for the published augmentation,
albumentations (1.3.1 was used). Runs whose figures are in FOLDER are not repeated. Exit status 1 if a mean of one program lies
outside of the other's smallest to largest figure.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = ["--arch", "mini", "--embed_dims", "128", "--loss_model", "qcface", "--phase", "norm", "--lambda_g", "1", "--batch-size", "32",
          "--lr", "0.1", "--lr-schedule", "cosine", "--warmup-steps", "36", "--weight-decay", "0.0005", "--dropout", "0",
          "--threads", "1"]
FIGURES = ("accuracy", "auc", "magnitude", "loss_id", "loss_g", "z_mean", "training accuracy")


def call(command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("%s failed:\n%s" % (" ".join(map(str, command)), done.stdout[-3000:]))


def last_epoch(metrics):
    """Means over the steps of the last epoch."""
    steps = [r for r in map(json.loads, open(metrics)) if r["kind"] == "step"]
    steps = [r for r in steps if r["epoch"] == steps[-1]["epoch"]]
    mean = lambda key: statistics.fmean(r[key] for r in steps)  # noqa: E731
    return {"loss_id": mean("loss_id"), "loss_g": mean("loss_g"), "z_mean": mean("z_mean"), "training accuracy": mean("accuracy")}


def train(args, program, seed, run, pack):
    own = RECIPE + ["--epochs", args.epochs, "--seed", seed, "--augment", args.augment]
    if program == "torch":
        call([args.python, HERE / "reference_trainer.py", "--data", pack, "--out", run] + own)
        return run / "weights.pth"
    swap = ["--jpeg-swap-rb"] if args.augment == "published" else []  # albumentations hands RGB to OpenCV's encoder
    call([args.qcface, "train", "--data_dirs", pack, "--device", "cpu", "--workers", 1, "--print-freq", 1, "--vis_mag", 0,
          "--no-report", "--pth-save-fold", run] + own + swap)
    return max((run / "checkpoints").glob("step-*"))


def measure(args, program, seed, pack):
    run = pathlib.Path(args.out) / ("%s-%d" % (program, seed))
    kept = run / "figures.json"
    if not kept.exists():
        weights = train(args, program, seed, run, pack)
        call([args.qcface, "eval", "verify", "--weights", weights, "--data", pathlib.Path(args.faces) / "verify",
              "--pairs", pathlib.Path(args.faces) / "verify/pairs.list", "--out", run / "verify", "--device", "cpu", "--threads", 1])
        verified = json.load(open(run / "verify/verify.json"))
        figures = {**last_epoch(run / "metrics.jsonl"), **find(verified)}
        kept.write_text(json.dumps(figures))
    return json.loads(kept.read_text())


def find(verified):
    return {"accuracy": verified["cosine"]["accuracy_mean"], "auc": verified["cosine"]["auc"],
            "magnitude": verified["magnitude"]["mean"]}


def judge(table):
    """Prints the table; True if every mean lies within the other program's range."""
    good = True
    for figure in FIGURES:
        rows = {p: [f[figure] for f in figures] for p, figures in table.items()}
        for p, values in rows.items():
            print("%-18s %-7s mean %9.4f  deviation %8.4f  from %9.4f to %9.4f" % (
                figure, p, statistics.fmean(values), statistics.stdev(values), min(values), max(values)))
        a, b = rows["qcface"], rows["torch"]
        inside = min(b) <= statistics.fmean(a) <= max(b) and min(a) <= statistics.fmean(b) <= max(a)
        t = (statistics.fmean(a) - statistics.fmean(b)) / (
            ((statistics.variance(a) + statistics.variance(b)) / len(a)) ** 0.5 or 1e-12)
        print("%-18s difference of the means %.2f standard errors%s" % (figure, t, "" if inside else "  OUTSIDE"))
        good = good and inside
    return good


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--qcface", required=True)
    ap.add_argument("--faces", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--python", default=sys.executable)
    ap.add_argument("--seeds", default="1,2,3,4,5")
    ap.add_argument("--epochs", type=int, default=6)
    ap.add_argument("--augment", default="published", choices=("published", "none"))
    ap.add_argument("--program", default="both", choices=("qcface", "torch", "both"), help="one: only run it, no table")
    ap.add_argument("--json")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    pack = pathlib.Path(args.out) / "faces.qpack"
    if not pack.exists():
        call([args.qcface, "data", "convert", "--from", pathlib.Path(args.faces) / "train", "--pixels", "--to", pack])
    programs = ("qcface", "torch") if args.program == "both" else (args.program,)
    table = {p: [measure(args, p, int(seed), pack) for seed in args.seeds.split(",")] for p in programs}
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"recipe": RECIPE, "epochs": args.epochs, "augment": args.augment, "figures": table}, file, indent=1)
    return 0 if args.program != "both" or judge(table) else 1


if __name__ == "__main__":
    sys.exit(main())
