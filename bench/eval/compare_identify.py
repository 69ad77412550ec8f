#!/usr/bin/env python3
"""Sets identification beside NumPy: the same rows, the same figures, one run after the other.

usage: compare_identify.py --program build/bench/bin/qcface_bench_identify [--python PYTHON] [--rounds 1] [--json OUT]
                           [-- SIZES for the program, such as --probes 3728 --gallery 157871]
PYTHON has NumPy (default: this one); which BLAS it multiplies with decides its time. Ends with status 1 where figures differ.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from comparison import processor, run_json  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--precision", nargs="+", default=["double", "single"])
    parser.add_argument("--json")
    parser.add_argument("sizes", nargs="*")
    options = parser.parse_args()
    rows, equal = [], True
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(options.rounds):  # taking turns, so that a slow spell of the machine hits all
            ours = run_json([options.program, *options.sizes, "--save", scratch], os.environ)[0]
            rows.append(ours)
            for precision in options.precision:
                peer = run_json([options.python, os.path.join(HERE, "peer_identify.py"), scratch, "--precision", precision],
                                os.environ)[0]
                rows.append(peer)
                # In float the last digits of a score may change a place; in double the figures are the same.
                tolerance = 1e-12 if precision == "double" else 2e-3
                pairs = zip(ours["hit_rates"] + [ours["mean_average_precision"]],
                            peer["hit_rates"] + [peer["mean_average_precision"]])
                equal = equal and all(abs(a - b) <= tolerance for a, b in pairs)
    print(f"{processor()}; {ours['probes']} probes, gallery of {ours['gallery']}, width {ours['width']}")
    for row in rows:
        print(f"{row['program']:<28} {row['seconds']:9.2f} s   rank-1 {row['hit_rates'][0]:.6f}   "
              f"mAP {row['mean_average_precision']:.9f}   peak {row['peak_mib']} MiB")
    print("figures agree" if equal else "FIGURES DIFFER")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"processor": processor(), "rows": rows, "equal": equal}, out, indent=2)
            out.write("\n")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
