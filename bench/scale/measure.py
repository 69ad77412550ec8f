#!/usr/bin/env python3
"""Training steps and collectives on 1, 2 and 4 CPU ranks, and what the model makes of them.

usage: measure.py --mpirun MPIRUN --program build/dev/bin/qcface [--rounds 3] [--out FILE.json]

A trainer of `mini` at width 512 on drawn faces, batch 64, one thread a rank: seconds of a step and the share that the ranks spend
in collectives, the first steps left out. Beside it the collectives alone, by size. The model adds up a step: its computation,
which is that of one rank, over the ranks (cores, where they are fewer); and its collectives by their sizes (model.py), at the
times measured alone. That is a step which exchanges the gradient after backward (--no-overlap); one that does so while backward
runs is measured beside it, in turns, --rounds of both. Figures are medians over all steps. Prints a table and writes what was
measured. Needs nothing but Python.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

import model

HERE = pathlib.Path(__file__).resolve().parent
START = HERE.parents[1] / "tests" / "core" / "comm" / "mpirun.sh"
BATCH, WIDTH, WARM = 64, 512, 4


def launch(options, ranks, command):
    done = subprocess.run([str(START), options.mpirun, str(ranks), *command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=dict(os.environ, OMP_NUM_THREADS="1"))
    if done.returncode != 0:
        raise SystemExit("%s on %d ranks: exit status %d: %s" % (command[0], ranks, done.returncode, done.stderr[-1000:]))
    return done.stdout


def trainer(options, ranks, folder, overlap, round_):
    run = os.path.join(folder, "run-%d-%d-%d" % (ranks, overlap, round_))
    launch(options, ranks,
           [options.program, "train", "--arch", "mini", "--embed_dims", str(WIDTH), "--loss_model", "qcface", "--phase", "norm",
            "--lambda_g", "1", "--data_dirs", os.path.join(folder, "faces", "train"), "--batch-size", str(BATCH), "--lr", "0.001",
            "--augment", "none", "--epochs", "1000", "--max-steps", str(options.steps), "--workers", "1", "--threads", "1", "--device", "cpu",
            "--print-freq", "1", "--no-report", "--pth-save-fold", run, *([] if overlap else ["--no-overlap"])])
    with open(os.path.join(run, "metrics.jsonl")) as file:
        steps = [r for r in map(json.loads, file) if r["kind"] == "step"][WARM:]
    with open(os.path.join(run, "log.txt")) as file:
        parameters = float(next(line for line in file if "M parameters" in line).split(" M parameters")[0].split()[-1]) * 1e6
    return parameters, [(BATCH / r["images_per_s"], r.get("communication", 0.0)) for r in steps]


def steps_of(options, ranks, folder):
    """Both ways in turns: what else the machine does meets them alike."""
    steps = {False: [], True: []}
    for round_ in range(options.rounds):
        for overlap in (False, True) if ranks > 1 else (False,):
            parameters, found = trainer(options, ranks, folder, overlap, round_)
            steps[overlap] += found
    run = {"ranks": ranks, "parameters": parameters}
    for overlap, name in ((False, ""), (True, "overlapped_")):
        if steps[overlap]:
            run[name + "step_s"] = statistics.median(seconds for seconds, _ in steps[overlap])
            run[name + "communication"] = statistics.median(share for _, share in steps[overlap])
    return run


def collectives(options, ranks):
    bench = os.path.join(os.path.dirname(options.program), "qcface_bench_collectives")
    return [json.loads(line) for line in launch(options, ranks, [bench]).splitlines()]


def time_of(measured, name, size):
    """Between the two nearest sizes, on logarithmic scales; beyond the last one in proportion."""
    points = sorted((m["bytes"], m["seconds"]) for m in measured if m["collective"] == name)
    if size <= points[0][0]:
        return points[0][1]
    for (small, short), (large, long) in zip(points, points[1:]):
        if size <= large:
            place = math.log(size / small) / math.log(large / small)
            return math.exp((1 - place) * math.log(short) + place * math.log(long))
    return points[-1][1] * size / points[-1][0]


def communication(measured, parameters):
    rows = BATCH
    return (time_of(measured, "all_reduce", model.F32 * parameters) + time_of(measured, "all_gather", model.F32 * rows * WIDTH) +
            time_of(measured, "all_gather", model.I64 * rows) + 3 * time_of(measured, "all_reduce", 2 * model.F64 * rows) +
            time_of(measured, "reduce_scatter", model.F32 * rows * WIDTH))


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpirun", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--out")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.program, "data", "synth", "--out", os.path.join(folder, "faces"), "--identities", "32", "--pictures",
                        "10", "--degrade-sources", "0"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs = [steps_of(options, ranks, folder) for ranks in options.ranks]
    alone = runs[0]["step_s"]
    print("| ranks | exchange after backward: step (ms) | model (ms) | in collectives (ms) | model (ms) | while it runs: step (ms) | "
          "in collectives (ms) |\n|" + 7 * "---|")
    for run in runs:
        ranks = run["ranks"]
        run["collectives"] = collectives(options, ranks) if ranks > 1 else []
        run["model_communication_s"] = communication(run["collectives"], run["parameters"]) if ranks > 1 else 0.0
        run["model_step_s"] = alone / min(ranks, cores) + run["model_communication_s"]
        beside = ["", ""]
        if ranks > 1:
            beside = ["%.0f" % (1e3 * run["overlapped_step_s"]), "%.0f" % (1e3 * run["overlapped_step_s"] * run["overlapped_communication"])]
        print("| %d | %.0f | %.0f | %.0f | %.0f | %s | %s |" % (
            ranks, 1e3 * run["step_s"], 1e3 * run["model_step_s"], 1e3 * run["step_s"] * run["communication"],
            1e3 * run["model_communication_s"], *beside), flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump({"machine": processor(), "cores": cores, "batch": BATCH, "width": WIDTH,
                       "runs": runs}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
