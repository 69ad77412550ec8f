#!/usr/bin/env python3
"""Sets qcface_bench_augment beside albumentations: the same files, one thread each, taking turns in one run.

usage: compare.py --program build/bench/bin/qcface_bench_augment [--python PYTHON] [--data FOLDER]
                  [--seconds 1.0] [--rounds 5] [--json OUT]
PYTHON is an interpreter that has albumentations (default: this one). Without --data a synthetic face set is made.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from comparison import processor, run_json  # noqa: E402

STAGES = ("decode", "decode_augment", "decode_augment_normalise")


def rounds_of(command):
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1", OPENBLAS_NUM_THREADS="1")
    return run_json(command, environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--data")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_albumentations.py")
    with tempfile.TemporaryDirectory() as scratch:
        data = options.data
        if not data:
            made = os.path.join(scratch, "faces")
            subprocess.run([options.program, "make", made, "20", "20"], check=True, stdout=subprocess.DEVNULL)
            data = os.path.join(made, "train")
        ours, theirs = [], []
        for _ in range(options.rounds):  # taking turns, so that a slow spell of the machine hits both
            ours += rounds_of([options.program, data, str(options.seconds), "1"])
            theirs += rounds_of([options.python, "-W", "ignore", peer, data, str(options.seconds), "1"])
    result = {"processor": processor(), "albumentations": theirs[0]["version"], "opencv_of_peer": theirs[0]["opencv"],
              "pixel_ops": ours[0]["pixel_ops"], "rounds": options.rounds, "stages": {}}
    print(f"{result['processor']}; albumentations {result['albumentations']}, OpenCV {result['opencv_of_peer']}; "
          f"one thread each, {options.rounds} rounds, median pictures/s (20-80 %)")
    print(f"{'stage':<26} {'qcface':>22} {'albumentations':>22} {'ratio':>7}")
    for stage in STAGES:
        row, cells = {}, []
        for name, rows in (("qcface", ours), ("albumentations", theirs)):
            values = sorted(r[stage] for r in rows)
            low, high = values[len(values) // 5], values[-1 - len(values) // 5]
            row[name] = {"median": statistics.median(values), "p20": low, "p80": high}
            cells.append(f"{row[name]['median']:8.0f} ({low:.0f}-{high:.0f})")
        row["ratio"] = round(row["qcface"]["median"] / row["albumentations"]["median"], 2)
        result["stages"][stage] = row
        print(f"{stage:<26} {cells[0]:>22} {cells[1]:>22} {row['ratio']:7.2f}")
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
