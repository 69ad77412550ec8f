#!/usr/bin/env python3
"""Checks steps of a `qcface train` run one by one. A training run forgets its rounding errors badly: what float32 changes in the
eighth digit is in the first one a few steps later, so two runs can be compared digit by digit only for a few steps. But every
step can be checked alone: qcface keeps a checkpoint of each; PyTorch (reference_trainer.py) takes weights, velocities, running
statistics and t of checkpoint k, does step k + 1 in float64, and what qcface has after that step is laid against it.

usage: follow.py --qcface build/dev/bin/qcface --faces FACES --out FOLDER [--arch mini] [--batch-size 16] [--steps 200]
                 [--every 1] [--lr 0.1] [--head qcface] [--phase norm] [--json FILE]

FACES is an image folder. Distances: of loss, magnitude and accuracy, relative; of weights, class weights and t, 2-norm of the
difference over 2-norm of what the step changed; of velocities and running statistics over their own. The bound is 4 times the
farthest that PyTorch's own float32 steps from the same checkpoints (--variants) came out up to there. Exit status 1 outside.
"""
import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import needs_torch  # noqa: E402

needs_torch.check(__doc__)
import numpy as np  # noqa: E402
import torch  # noqa: E402

from agreement import FACTOR, FIGURES, FLOOR, read_metrics, read_safetensors, tensor_distances  # noqa: E402
from reference_trainer import Trainer, parser  # noqa: E402

CHANGED = ("kernels", "scales, biases, slopes", "class weights", "t")


def record_run(program, pack, start, run, options, steps):
    """`qcface train` from the weights `start`, with checkpoints before and after each of `steps`. Where these do not follow one
    another the run is stopped at each and gone on with, which changes no bit of it."""
    new = ["--data_dirs", pack, "--weight_path", start, "--head", "keep", "--device", "cpu", "--workers", 1, "--print-freq", 1,
           "--vis_mag", 0, "--no-report", "--keep-last", 1000000, "--pth-save-fold", run, *options]
    if list(steps) == list(range(len(steps))):
        return call(program, [*new, "--save-steps", 1, "--max-steps", len(steps)])
    for number in sorted({k for step in steps for k in (step, step + 1) if k > 0}):
        call(program, [*(["--resume", run] if run.exists() else new), "--max-steps", number])


def call(program, options):
    done = subprocess.run([program, "train", *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("%s train %s failed:\n%s" % (program, " ".join(map(str, options)), done.stdout[-3000:]))


def checkpoint(run, start, step):
    if step == 0:
        return {name: value.double().numpy() for name, value in torch.load(start)["state_dict"].items()}
    return read_safetensors(run / "checkpoints" / ("step-%09d.safetensors" % step))


def distances(record, tensors, exact_record, exact_tensors, before):
    far = {f: abs(record[f] - exact_record[f]) / (1 if f == "accuracy" else max(abs(exact_record[f]), 1e-6)) for f in FIGURES}
    moved, own = tensor_distances(tensors, exact_tensors, before), tensor_distances(tensors, exact_tensors)
    return {**far, **{group: (moved if group in CHANGED else own)[group] for group in own}}


def follow(run, start, exact, others, steps):
    """Yields for each of `steps` (from 0) {"qcface": distances, name: distances of that trainer's step}. exact, others: Trainers."""
    metrics = read_metrics(run / "metrics.jsonl")
    arrays = lambda trainer: {n: v.double().numpy() for n, v in trainer.tensors().items()}  # noqa: E731
    for step in steps:
        before = checkpoint(run, start, step)
        exact.load(before)
        wanted_record = exact.step_at(step)
        wanted = arrays(exact)
        ours = {f: metrics[f][step] for f in FIGURES}
        row = {"step": step + 1, "qcface": distances(ours, checkpoint(run, start, step + 1), wanted_record, wanted, before)}
        for name, trainer in others.items():
            trainer.load(before)
            row[name] = distances(trainer.step_at(step), arrays(trainer), wanted_record, wanted, before)
        yield row


def outside(rows, name, variants, one_picture):
    """Sentences: which distances of `name` are above the bound."""
    found, most = [], {}
    for row in rows:
        for key, far in row[name].items():
            most[key] = max(most.get(key, FLOOR), *(row[v][key] for v in variants))
            limit = max(FACTOR * most[key], one_picture * 1.001) if key == "accuracy" else FACTOR * most[key]
            if not far <= limit:
                found.append("step %d: %s %.1e off, bound %.1e" % (row["step"], key, far, limit))
    return found


def table(rows, names):
    print("%-23s %s" % ("median, largest", " ".join("%22s" % n for n in names)))
    for key in rows[0]["qcface"]:
        cells = ["%9.1e, %9.1e" % (np.median([r[n][key] for r in rows]), max(r[n][key] for r in rows)) for n in names]
        print("%-23s %s" % (key, " ".join("%22s" % c for c in cells)))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--qcface", required=True)
    ap.add_argument("--faces", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--arch", default="mini")
    ap.add_argument("--embed_dims", default="128")
    ap.add_argument("--batch-size", type=int, default=16)
    ap.add_argument("--steps", type=int, default=200)
    ap.add_argument("--every", type=int, default=1, help="check every so many steps")
    ap.add_argument("--epochs", default="3")
    ap.add_argument("--lr", default="0.1")
    ap.add_argument("--warmup-steps", default="20")
    ap.add_argument("--head", default="qcface")
    ap.add_argument("--phase", default="norm")
    ap.add_argument("--variants", default="plain,reversed,channels-last")
    ap.add_argument("--threads", default="1")
    ap.add_argument("--json")
    args = ap.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    pack, start, run = out / "faces.qpack", out / "start.pth", out / "qcface"
    recipe = ["--arch", args.arch, "--embed_dims", args.embed_dims, "--loss_model", args.head, "--phase", args.phase, "--lambda_g", 1,
              "--batch-size", args.batch_size, "--epochs", args.epochs, "--lr", args.lr, "--lr-schedule", "cosine", "--warmup-steps",
              args.warmup_steps, "--weight-decay", 0.0005, "--dropout", 0, "--augment", "none",
              "--seed", 7, "--threads", args.threads]

    def trainer(*more):
        return Trainer(parser().parse_args([str(o) for o in ["--data", pack, *recipe, *more]]))

    if not pack.exists():
        subprocess.run([args.qcface, "data", "convert", "--from", args.faces, "--pixels", "--to", str(pack)], check=True)
    if not start.exists():
        trainer().save(start)
    if not (out / "recorded").exists():
        record_run(args.qcface, pack, start, run, recipe, range(0, args.steps, args.every))
        (out / "recorded").touch()
    variants = args.variants.split(",")
    rows = []
    with open(out / "steps.jsonl", "w") as kept:
        for row in follow(run, start, trainer("--dtype", "float64"), {v: trainer("--variant", v) for v in variants},
                          range(0, args.steps, args.every)):
            rows.append(row)
            print(json.dumps(row), file=kept, flush=True)
    print("%s, %s, phase %s, batch %d, lr %s: %d steps of %d checked alone against float64" % (
        args.arch, args.head, args.phase, args.batch_size, args.lr, len(rows), args.steps))
    table(rows, ["qcface", *variants])
    wrong = outside(rows, "qcface", variants, 1 / args.batch_size)
    for sentence in wrong:
        print("OUTSIDE: " + sentence)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"options": vars(args), "torch": torch.__version__, "outside": wrong, "steps": rows}, file, indent=1)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
