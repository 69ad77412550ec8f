#!/usr/bin/env python3
"""With --sync-bn any number of ranks trains the same network, with every head.

    test_equality.py MPIRUN PROGRAM [--part 1 --of 3] [--heads NAME ...] [--steps 50]

1, 2 and 4 ranks train `mini` for 50 steps from the same weights. Compared are the losses of every step, and what the training
has changed: of class weights, of the backbone's weights and of its running statistics, the length of the difference over the
length of the change, so that weights which hardly move cannot hide a wrong gradient. The rate is so small that roundings are
not amplified, and so large that 50 steps are far above the rounding of a weight.

Seen with this setting: losses differ by up to 1.5e-3, changes by up to 3.5e-3. Statistics of a rank's own pictures (the run
without --sync-bn, which is made each time and has to be told apart) give at least 1e-1 and 3.9e-1. With two ranks of arcface and one
exchange left out, losses and the class weights' and the backbone's changes differ by
    sums of the softmax             2.1e-1, 7.3e-1, 4.9e-1
    target cosines                  5.4e-1, 1.6e-2, 1.5e-2
    gradient of the embeddings      6.2e-2, 7.6e-2, 6.0e-1
    gradient of the backbone        7.5e-2, 5.9e-2, 6.0e-1
"""
import argparse
import array
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

START = pathlib.Path(__file__).resolve().parents[3] / "core" / "comm" / "mpirun.sh"
RANKS = (2, 4)
MOST_LOSS, MOST_CHANGE = 1e-2, 2e-2
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print("FAILED: " + what, flush=True)


def heads_of(program):
    """All that the program knows, from its own documentation."""
    text = subprocess.run([program, "docs"], check=True, capture_output=True, text=True).stdout
    return re.search(r"`--loss_model` .*\(([a-z\\|-]+)\)", text).group(1).replace("\\", "").split("|")


def train(options, folder, name, ranks, head, *extra, rate="3e-6", steps=None):
    run = os.path.join(folder, name)
    command = [str(START), options.mpirun, str(ranks), options.program, "train", "--arch", "mini", "--embed_dims", "32", "--loss_model", head,
               "--phase", "norm", "--lambda_g", "0.1", "--scale", "16", "--data_dirs", os.path.join(folder, "faces", "train"), "--batch-size", "10",
               "--drop-last", "--lr", rate, "--lr-schedule", "cosine", "--augment", "aligned", "--workers", "1", "--threads", "1",
               "--device", "cpu", "--print-freq", "1", "--no-report", "--epochs", "1000", "--max-steps", str(steps or options.steps),
               "--pth-save-fold", run, *extra]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          env=dict(os.environ, OMP_NUM_THREADS="1"))
    if done.returncode != 0:
        raise SystemExit(f"{name}: exit status {done.returncode}: {done.stderr[-800:]}")
    with open(os.path.join(run, "metrics.jsonl")) as file:
        return [record["loss"] for record in map(json.loads, file) if record["kind"] == "step"]


def values_of(folder, name):
    """Group -> values of the newest checkpoint, which may lie in parts; class weights a row a class."""
    checkpoints = os.path.join(folder, name, "checkpoints")
    newest = os.path.join(checkpoints, sorted(entry for entry in os.listdir(checkpoints) if entry.startswith("step-"))[-1])
    files = [newest]
    if os.path.isdir(newest):
        files = [os.path.join(newest, entry) for entry in os.listdir(newest) if entry.endswith(".safetensors")]
    tensors = {}
    for file in files:
        data = pathlib.Path(file).read_bytes()
        begin = 8 + int.from_bytes(data[:8], "little")
        for tensor, facts in json.loads(data[8:begin]).items():
            if tensor != "__metadata__" and facts["dtype"] == "F32":
                values = array.array("f", data[begin + facts["data_offsets"][0]:begin + facts["data_offsets"][1]])
                tensors[tensor] = values, facts["shape"]
    parts = sorted((name for name in tensors if name.startswith("head.weight.rows.")), key=lambda name: int(name.rsplit(".", 1)[1]))
    classes = array.array("f")
    for part in parts:
        classes += tensors[part][0]
    if not parts:
        values, (width, count) = tensors["head.weight"]
        classes.extend(values[d * count + k] for k in range(count) for d in range(width))
    groups = {"class weights": classes, "backbone": array.array("f"), "running statistics": array.array("f"), "state": array.array("f")}
    for tensor in sorted(tensors):
        if tensor.startswith("backbone."):
            groups["running statistics" if ".running_" in tensor else "backbone"] += tensors[tensor][0]
        elif tensor.startswith("head.") and not tensor.startswith("head.weight"):
            groups["state"] += tensors[tensor][0]
    return groups


def length(values):
    return math.sqrt(sum(value * value for value in values))


def apart(start, ours, theirs):
    """Group -> how far the changes of two trainings are apart, as a share of the change."""
    found = {}
    for group, values in theirs.items():
        if len(values) != len(ours[group]):
            return {group: math.inf}
        change = length(a - b for a, b in zip(values, start[group]))
        difference = length(a - b for a, b in zip(ours[group], values))
        if group == "state":  # that of some heads starts anew each step
            change = length(values)
        found[group] = difference / change if change > 0 else difference
    return found


def test_head(options, folder, head, control):
    # Nothing moves: the weights that all of them begin with.
    train(options, folder, head + "-start", 1, head, rate="1e-30", steps=1)
    start = values_of(folder, head + "-start")
    one = train(options, folder, head + "-1", 1, head, "--sync-bn")
    alone = values_of(folder, head + "-1")
    expect(len(one) == options.steps, f"{head}: {len(one)} steps were logged, expected {options.steps}")
    for group in ("class weights", "backbone", "running statistics"):
        moved = length(a - b for a, b in zip(alone[group], start[group])) / length(start[group])
        expect(moved > 1e-4, f"{head}: {group} have changed by {moved:.1e} of their length, too little to compare")

    def compare(name, ranks, *extra):
        losses = train(options, folder, f"{head}-{name}", ranks, head, *extra)
        expect(len(losses) == len(one), f"{head}, {name}: {len(losses)} steps were logged")
        loss = max(abs(a / b - 1) for a, b in zip(losses, one))
        changes = apart(start, values_of(folder, f"{head}-{name}"), alone)
        print(f"{head}, {name}: losses differ by {loss:.1e}; changes by " +
              ", ".join(f"{value:.1e} ({group})" for group, value in changes.items()), flush=True)
        return loss, changes

    for ranks in RANKS:
        loss, changes = compare(f"{ranks} ranks", ranks, "--sync-bn")
        expect(loss <= MOST_LOSS, f"{head}, {ranks} ranks: losses differ by {loss:.1e}, expected at most {MOST_LOSS:.0e}")
        for group, value in changes.items():
            expect(value <= MOST_CHANGE, f"{head}, {ranks} ranks: {group} changed otherwise by {value:.1e}, expected at most {MOST_CHANGE:.0e}")
    if control:
        loss, changes = compare("apart", 2)
        expect(loss > 5 * MOST_LOSS and min(changes[group] for group in ("class weights", "backbone", "running statistics")) > 5 * MOST_CHANGE,
               f"{head}: batch norm of each rank's own pictures is not told apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mpirun")
    parser.add_argument("program")
    parser.add_argument("--part", type=int, default=1, help="every --of-th head, beginning with this one")
    parser.add_argument("--of", type=int, default=1)
    parser.add_argument("--heads", nargs="+")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    heads = options.heads or heads_of(options.program)[options.part - 1::options.of]
    if not heads:
        raise SystemExit(f"no head in part {options.part} of {options.of}")
    with tempfile.TemporaryDirectory() as folder:
        # 9 classes and batches of 10 are uneven shares for 2 and for 4 ranks.
        subprocess.run([options.program, "data", "synth", "--out", os.path.join(folder, "faces"), "--identities", "9", "--pictures", "5",
                        "--verify-identities", "2", "--verify-pictures", "6", "--pairs", "20", "--degrade-sources", "0"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number, head in enumerate(heads):
            test_head(options, folder, head, control=number == 0)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
