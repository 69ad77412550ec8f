#!/usr/bin/env python3
"""Training and measuring in several processes, as people start them: the same network for any number of them, the same bits again, and no
checkpoint lost however one of them ends.

    test_processes.py MPIRUN PROGRAM [--steps 50] [--kills 6] [--seed 1] [--only WORD]

--kills: so many runs are ended at a random moment in a random way, resumed, and compared with one that was not."""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

START = pathlib.Path(__file__).resolve().parents[3] / "core" / "comm" / "mpirun.sh"
GONE = 60  # seconds within which every process has ended
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)
        print("FAILED: " + what, flush=True)


class Trainer:
    def __init__(self, options, folder):
        self.mpirun, self.program, self.faces = options.mpirun, options.program, os.path.join(folder, "faces")
        subprocess.run([self.program, "data", "synth", "--out", self.faces, "--identities", "5", "--pictures", "6",
                        "--verify-identities", "2", "--verify-pictures", "6", "--pairs", "20", "--degrade-sources", "0"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pathlib.Path(self.faces, "train", "id00000", "notes.xyz").touch()  # a warning about the data

    def command(self, ranks, arguments):
        return [str(START), self.mpirun, str(ranks), self.program, *map(str, arguments)]

    def new(self, run, *extra):
        return ["--arch", "mini", "--embed_dims", "32", "--loss_model", "qcface", "--phase", "norm", "--lambda_g", "0.1",
                "--scale", "16", "--data_dirs", self.faces + "/train", "--batch-size", "10", "--lr", "0.0001", "--lr-schedule",
                "cosine", "--augment", "aligned", "--workers", "1", "--threads", "1", "--device", "cpu", "--print-freq", "1",
                "--no-report", "--pth-save-fold", run, *extra]

    def run(self, ranks, arguments, words=("train",)):
        return subprocess.run(self.command(ranks, [*words, *arguments]), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", env=dict(os.environ, OMP_NUM_THREADS="1"))


def losses(run):
    with open(os.path.join(run, "metrics.jsonl")) as file:
        records = [json.loads(line) for line in file]
    return [record["loss"] for record in records if record["kind"] == "step"]


def steps_done(run):
    """Of a run under way; its last line may be half written."""
    try:
        with open(os.path.join(run, "metrics.jsonl")) as file:
            return file.read().count('"kind":"step"')
    except FileNotFoundError:
        return 0


def newest(run):
    folder = os.path.join(run, "checkpoints")
    steps = sorted(name for name in os.listdir(folder) if name.startswith("step-") and name.endswith(".safetensors"))
    return os.path.join(folder, steps[-1]) if steps else None


def tensors(checkpoint):
    """Name -> bytes; a file or a folder of them."""
    names = [checkpoint]
    if os.path.isdir(checkpoint):
        names = [os.path.join(checkpoint, name) for name in os.listdir(checkpoint) if name.endswith(".safetensors")]
    found = {}
    for name in names:
        with open(name, "rb") as file:
            data = file.read()
        size = int.from_bytes(data[:8], "little")
        for tensor, facts in json.loads(data[8:8 + size]).items():
            if tensor != "__metadata__":
                begin, end = facts["data_offsets"]
                found[tensor] = data[8 + size + begin:8 + size + end]
    return found


def processes(run):
    """Rank -> process of the run in that folder."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if len(words) < 2 or words[1] != b"train" or run.encode() not in words:
                continue
            with open(f"/proc/{entry}/environ", "rb") as file:
                variables = dict(pair.split(b"=", 1) for pair in file.read().split(b"\0") if b"=" in pair)
            rank = next(variables[name.encode()] for name in RANKS if name.encode() in variables)
            found[int(rank)] = int(entry)
        except (OSError, StopIteration):  # no process, one of another user, one that has ended
            continue
    return found


def test_same_network(trainer, folder, steps):
    def train(name, ranks, threads):
        run = os.path.join(folder, name)
        arguments = trainer.new(run, "--sync-bn", "--epochs", steps, "--max-steps", steps)
        arguments[arguments.index("--threads") + 1] = threads
        done = trainer.run(ranks, arguments)
        expect(done.returncode == 0, f"{name}: exit status {done.returncode}: {done.stderr[-500:]}")
        told = done.stderr.count("left out")
        expect(told == 1, f"{name}: what every rank warns of alike was said {told} times: {done.stderr[-500:]}")
        found = losses(run)
        expect(len(found) == steps, f"{name}: {len(found)} steps were logged, expected {steps}")
        return found

    def apart(these, those):
        return [abs(b / a - 1) for a, b in zip(those, these)]

    # A training amplifies roundings: what another number of threads does to one process is what is allowed, in its order of
    # magnitude.
    one = train("one", 1, 1)
    rounding = max(apart(train("two threads", 1, 2), one))
    for ranks in (2, 4):
        found = apart(train(f"{ranks} ranks", ranks, 1), one)
        print(f"{ranks} ranks against one: losses differ by {max(found[:3]):.1e} in the first three steps, {max(found):.1e} in all "
              f"({rounding:.1e} with two threads instead)", flush=True)
        expect(max(found[:3]) < 1e-5 and max(found) < 10 * max(rounding, 1e-4), f"{ranks} ranks train another network")


def test_overlap(trainer, folder):
    """Gradients exchanged while backward runs, and after it: the same bits."""
    for ranks, more in ((2, ()), (3, ("--sync-bn", "--accumulate", "2"))):
        found, told = [], []
        for way in ((), ("--no-overlap",)):
            run = os.path.join(folder, f"overlap-{ranks}{len(way)}")
            # So wide that the last layer is a bucket of its own.
            arguments = trainer.new(run, "--epochs", "2", *more, *way)
            for option, value in (("--embed_dims", "512"), ("--batch-size", "15")):
                arguments[arguments.index(option) + 1] = value
            done = trainer.run(ranks, arguments)
            expect(done.returncode == 0, f"{ranks} ranks, {way}: {done.stderr[-500:]}")
            with open(os.path.join(run, "log.txt")) as file:
                told.append(next((line for line in file if "gradients in" in line), ""))
            found.append((losses(run), tensors(newest(run))))
        expect("gradients in 2 buckets, each summed over the processes while backward goes on" in told[0], f"{ranks} ranks: {told}")
        expect("gradients in 2 buckets, summed over the processes after backward: --no-overlap" in told[1], f"{ranks} ranks: {told}")
        expect(found[0] == found[1], f"{ranks} ranks {more}: other bits than with --no-overlap")
        print(f"{ranks} ranks {' '.join(more)}: {len(found[0][0])} steps, the same bits with --no-overlap", flush=True)


def test_kills(trainer, folder, count, seed):
    dice = random.Random(seed)
    epochs = ["--epochs", "20", "--save-steps", "2"]
    whole = os.path.join(folder, "whole")
    done = trainer.run(3, trainer.new(whole, *epochs))
    expect(done.returncode == 0, f"the run that nobody stops: {done.stderr[-500:]}")
    expected, steps = tensors(newest(whole)), len(losses(whole))
    ways = ["kill", "kill", "term", "kill", "stop", "launcher"]
    for number in range(count):
        way, victim, run = ways[number % len(ways)], dice.randrange(3), os.path.join(folder, f"kill-{number}")
        process = subprocess.Popen(trainer.command(3, ["train", *trainer.new(run, *epochs)]), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                   env=dict(os.environ, OMP_NUM_THREADS="1"))
        # At work for certain, and at no particular point of a step.
        target = dice.randrange(1, steps // 4 if way == "launcher" else steps - 15)  # Open MPI sees that one a second late
        while steps_done(run) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.1))
        ranks = processes(run)
        name = f"{way} {number}, rank {victim} of {sorted(ranks)} after {target} of {steps} steps"
        expect(victim in ranks and process.poll() is None, f"{name}: it had ended before it was struck")
        pid = process.pid if way == "launcher" else ranks.get(victim)
        if pid is not None:
            os.kill(pid, {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP, "launcher": signal.SIGKILL}[way])
        struck = time.monotonic()
        while (process.poll() is None or processes(run)) and time.monotonic() < struck + GONE:
            time.sleep(0.05)
        gone = time.monotonic() - struck
        left = processes(run)
        expect(not left and process.poll() is not None, f"{name}: after {GONE} s there still are {left}")
        for leftover in left.values():
            os.kill(leftover, signal.SIGKILL)
        output = process.communicate()[0].decode(errors="replace")
        if way == "stop":
            expect(f"rank {victim} " in output, f"{name}: the rank is not named: {output[-800:]}")
        left_behind = newest(run) if os.path.isdir(os.path.join(run, "checkpoints")) else None
        again = trainer.run(3, ["--resume", run] if left_behind else trainer.new(run, *epochs))
        expect(again.returncode == 0, f"{name}: it does not go on: {again.stderr[-800:]}")
        expect(again.returncode == 0 and tensors(newest(run)) == expected, f"{name}: other weights than without the stop")
        print(f"{name}: gone after {gone:.1f} s, went on from {os.path.basename(left_behind or 'the start')}", flush=True)


def test_measurements(trainer, folder):
    """`embed` and `eval` over ranks give what one process gives, with a cache and without."""
    run = os.path.join(folder, "measured")
    done = trainer.run(1, trainer.new(run, "--max-steps", "2"))
    expect(done.returncode == 0, f"a model to measure with: {done.stderr[-500:]}")
    cache = os.path.join(folder, "cache")
    spoilt = os.path.join(trainer.faces, "verify", "imgs", "3.jpg")
    with open(spoilt, "wb") as file:
        file.write(b"no picture")

    def measure(ranks, name, *extra):
        out = os.path.join(folder, name)
        for command in (["embed", "--data", trainer.faces + "/verify"], ["eval", "verify", "--data", trainer.faces + "/verify"]):
            done = trainer.run(ranks, [*command, "--weights", newest(run), "--device", "cpu", "--threads", "1", "--workers", "1",
                                       "--out", f"{out}-{command[0]}", *extra], words=())
            expect(done.returncode == 0, f"{name}, {command[0]}: {done.stderr[-500:]}")
            found.append(done.stdout + done.stderr)
            alike = [line for line in done.stderr.splitlines() if line.startswith("warning") and "pairs.list" in line]
            expect(len(alike) == (command[0] == "embed"), f"{name}, {command[0]}: what every rank finds is said once: {alike}")
        with open(f"{out}-embed/magnitudes.csv") as file:
            rows = [line.rsplit(",", 1) for line in file.read().splitlines()[1:]]
        with open(f"{out}-eval/verify.json") as file:
            figures = json.load(file)
        return [name for name, _ in rows], [float(z) for _, z in rows], figures

    found = []
    names, lengths, figures = measure(1, "alone")
    expect(len(names) == 11, f"{len(names)} pictures can be read, expected 11")
    for name, extra in (("spread", ()), ("spread with a new cache", ("--cache", cache)), ("from the cache", ("--cache", cache))):
        its_names, its_lengths, its_figures = measure(3, name, *extra)
        expect(its_names == names, f"{name}: other pictures")
        apart = max(abs(a / b - 1) for a, b in zip(its_lengths, lengths))
        expect(apart < 1e-5, f"{name}: lengths differ by {apart:.1e}")
        expect(its_figures["cosine"] == figures["cosine"], f"{name}: other figures")
        expect(len(its_figures["corrupt"]) == 1, f"{name}: {its_figures['corrupt']}")
    expect("taken from" in found[-1], "a second measurement takes nothing from the cache")


def test_memory(trainer, folder):
    """One rank may have no more memory than it has when it starts."""
    limited = os.path.join(folder, "small.sh")
    with open(limited, "w") as file:
        file.write('#!/bin/sh\nrank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n[ "$rank" != 2 ] || ulimit -v 700000\nexec "$@"\n')
    os.chmod(limited, 0o755)
    arguments = trainer.new(os.path.join(folder, "memory"))
    for option, value in (("--arch", "ir50"), ("--batch-size", "30")):
        arguments[arguments.index(option) + 1] = value
    command = trainer.command(3, ["train", *arguments])
    command[3:3] = [limited]
    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    expect(done.returncode != 0 and time.monotonic() - start < GONE, f"a rank without memory: exit status {done.returncode}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    expect(lines and "rank 2" in lines[0] and "memory" in lines[0], f"a rank without memory: {lines[:3]}: {done.stderr[-500:]}")


def test_full_disk(trainer, folder):
    """One rank may write no file as large as its part."""
    run = os.path.join(folder, "full")
    first = trainer.run(3, trainer.new(run, "--max-steps", "2"))
    expect(first.returncode == 0, f"before the disk is full: {first.stderr[-500:]}")
    kept = newest(run)
    before = tensors(kept)
    limited = os.path.join(folder, "limited.sh")
    with open(limited, "w") as file:
        file.write('#!/bin/sh\nrank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n[ "$rank" != 1 ] || ulimit -f 1\nexec "$@"\n')
    os.chmod(limited, 0o755)
    command = trainer.command(3, ["train", "--resume", run, "--max-steps", "5"])
    command[3:3] = [limited]
    full = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = [line for line in full.stderr.splitlines() if line.startswith("error")]
    expect(full.returncode != 0, "a rank that cannot write: exit status 0")
    expect(lines and "rank 1" in lines[0] and "File too large" in lines[0], f"a rank that cannot write: {lines[:3]}")
    expect(newest(run) == kept and tensors(kept) == before, "a rank that cannot write: the checkpoint before it is lost")
    again = trainer.run(3, ["--resume", run, "--max-steps", "5"])
    expect(again.returncode == 0, f"after the disk was full: {again.stderr[-500:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mpirun")
    parser.add_argument("program")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(options, folder)
        tests = [("network", lambda: test_same_network(trainer, folder, options.steps)),
                 ("overlap", lambda: test_overlap(trainer, folder)),
                 ("measurements", lambda: test_measurements(trainer, folder)),
                 ("memory", lambda: test_memory(trainer, folder)),
                 ("disk", lambda: test_full_disk(trainer, folder)),
                 ("kills", lambda: test_kills(trainer, folder, options.kills, options.seed))]
        for name, test in tests:
            if options.only in name:
                test()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
