#!/usr/bin/env python3
"""IJB-C at its real size beside the published way of computing it in Python: the same files, taking turns in one run.

usage: compare_ijb.py --program build/bench/bin/qcface_bench_ijb [--python PYTHON] [--folder FOLDER] [--scale 1]
                      [--similarity cosine|qmf] [--rounds 1] [--json OUT]
PYTHON has NumPy and scikit-learn (third_party/install-python.sh; default: this one). FOLDER keeps the made-up set (1.3 GB at
scale 1) for the next call. Figures have to agree, TAR and ranks to one pair or probe. With qmf both pool as the published script
does; what only this program computes (strict TAR, open-set rates) is in its time.
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

PARTS = ("pooling templates", "scoring pairs", "sorting scores", "identifying probes")


def differences(ours, peer):
    """Figures that do not agree: a rate may differ by one of those it counts."""
    found = []
    for key, allowed in (("tar_nearest", 2e-3), ("top", 2e-3), ("recall", 2e-3)):
        for a, b in zip(ours[key], peer[key]):
            if abs(a - b) > (allowed if ours["pairs"] < 1e6 else 1e-4):
                found.append("%s: %r and %r" % (key, ours[key], peer[key]))
    if abs(ours["auc"] - peer["auc"]) > 1e-9:
        found.append("auc: %r and %r" % (ours["auc"], peer["auc"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--folder")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--similarity", default="cosine", choices=("cosine", "qmf"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or scratch
        if not os.path.exists(os.path.join(folder, "features.npy")):
            subprocess.run([options.program, "make", folder, "--scale", str(options.scale)], check=True)
        ours, peers = [], []
        for _ in range(options.rounds):
            ours += run_json([options.program, "run", folder, "--similarity", options.similarity, "--published"])
            peers += run_json([options.python, "-W", "ignore", os.path.join(HERE, "peer_ijb.py"), folder, "--similarity",
                               options.similarity])
    best = {"qcface": min(ours, key=lambda row: row["measured"]), "NumPy": min(peers, key=lambda row: row["measured"])}
    a, b = best["qcface"], best["NumPy"]
    print("%s, %d cores; %s; %d pictures, %d templates, %d pairs; best of %d" % (
        processor(), os.cpu_count(), options.similarity, a["pictures"], a["templates"], a["pairs"], options.rounds))
    print("%-24s %10s %10s %8s" % ("seconds", "qcface", "NumPy", "ratio"))
    for part in PARTS + ("measured", "read lists", "load features"):
        x, y = (row["measured"] if part == "measured" else row["seconds"].get(part, 0) for row in (a, b))
        print("%-24s %10.2f %10.2f %8.1f" % ("all of these" if part == "measured" else part, x, y, y / x if x else 0))
    print("%-24s %10.0f %10.0f" % ("peak memory, MiB", a["peak_mib"], b["peak_mib"]))
    print("tar_nearest %s  auc %.6f  top %s  recall %s" % (a["tar_nearest"], a["auc"], a["top"], a["recall"]))
    print("of qcface alone: tar_strict %s  tpir %s" % (a["tar_strict"], a["tpir"]))
    wrong = differences(a, b)
    print("figures agree" if not wrong else "FIGURES DIFFER: " + "; ".join(wrong))
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"processor": processor(), "cores": os.cpu_count(), "qcface": ours, "numpy": peers}, out, indent=2)
            out.write("\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
