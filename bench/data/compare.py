#!/usr/bin/env python3
"""Sets random access and decoding of a RecordIO file beside Python: the same file, one thread each, taking turns in one run.

usage: compare.py --program build/bench/bin/qcface_bench_records --faces FOLDER [--python PYTHON ...] [--seconds 1]
                  [--rounds 5] [--json OUT]
FOLDER holds <identity>/<picture>, written as one RecordIO file first (recordio.py). PYTHON has Pillow, OpenCV or MXNet
(default: this one); several may be given, because MXNet 1.9.1 needs numpy 1.23.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from comparison import processor, run_json  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--faces", required=True)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
    rates = {}
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, os.path.join(HERE, "recordio.py"), options.faces, scratch], check=True)
        file = os.path.join(scratch, "train.rec")
        for _ in range(options.rounds):  # taking turns, so that a slow spell of the machine hits all
            ours = run_json([options.program, "read", file, str(options.seconds), "1"], environment)[0]
            rates.setdefault("qcface", []).append(ours["decode"])
            rates.setdefault("qcface, reading alone", []).append(ours["read"])
            for python in options.python:
                for row in run_json([python, "-W", "ignore", os.path.join(HERE, "peer_python.py"), file,
                                     str(options.seconds), "1"], environment):
                    rates.setdefault("Python, " + row["program"], []).append(row["rate"])
    result = {"processor": processor(), "pictures": ours["pictures"], "mean_bytes": ours["mean_bytes"],
              "rounds": options.rounds, "rates": {}}
    print(f"{result['processor']}; {ours['pictures']} pictures of {ours['mean_bytes']} bytes, one thread, {options.rounds} "
          "rounds, median pictures/s (20-80 %)")
    for name, values in rates.items():
        values.sort()
        row = {"median": statistics.median(values), "p20": values[len(values) // 5],
               "p80": values[-1 - len(values) // 5]}
        result["rates"][name] = row
        print(f"{name:<32} {row['median']:10.0f} ({row['p20']:.0f}-{row['p80']:.0f})")
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
