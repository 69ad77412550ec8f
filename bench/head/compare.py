#!/usr/bin/env python3
"""Head step against PyTorch, side by side in one run: same inputs, same threads, programs taking turns.

usage: compare.py --program build/bench/bin/qcface_bench_head [--python python3] [--rounds 3] [--n 64 --d 512
                  --k 93431 --threads 2] [--heads qcface,qcface-cur,qcface-mv] [--seconds 2] [--json FILE]

--python names an interpreter with torch (CPU wheels from PyPI do) and numpy. Both programs compute the loss, dx and
dw; their losses must agree before anything is reported. Times are medians of all rounds; processor time is listed
beside wall time because it says more on a machine that others use at the same time.
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from comparison import processor, run_json  # noqa: E402


def run(command):
    return run_json(command)[-1]


def median(values):
    v = sorted(values)
    return v[len(v) // 2]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser()
    ap.add_argument("--program", required=True)
    ap.add_argument("--python", default="python3")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--n", type=int, default=64)
    ap.add_argument("--d", type=int, default=512)
    ap.add_argument("--k", type=int, default=93431)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--heads", default="qcface,qcface-cur,qcface-mv")
    ap.add_argument("--seconds", type=float, default=2)
    ap.add_argument("--json")
    a = ap.parse_args()
    size = ["--n", str(a.n), "--d", str(a.d), "--k", str(a.k), "--threads", str(a.threads)]
    timed = ["--seconds", str(a.seconds)]
    peer = [a.python, os.path.join(here, "peer_torch.py")] + size
    records = []
    print("N %d, D %d, K %d, %d threads, %s; loss + dx + dw, phase norm" % (a.n, a.d, a.k, a.threads, processor()))
    print("%-11s %22s %22s %7s %14s %14s %7s" % ("head", "qcface ms (cpu ms)", "torch ms (cpu ms)", "faster", "extra MiB", "torch MiB", "share"))
    for head in a.heads.split(","):
        ours, theirs = [], []
        for _ in range(a.rounds):
            ours.append(run([a.program, "--json", "--head", head] + size + timed))
            theirs.append(run(peer + ["--head", head] + timed))
        memory = run(peer + ["--head", head, "--check-memory"])
        difference = abs(ours[0]["loss_id"] / theirs[0]["loss_id"] - 1)
        if not difference < 2e-4:
            sys.exit("compare.py: %s: losses disagree: %r and %r" % (head, ours[0]["loss_id"], theirs[0]["loss_id"]))
        m = lambda rs, key: median([r[key] for r in rs])
        mib = ours[0]["extra_peak_bytes"] / 2 ** 20, memory["extra_peak_bytes"] / 2 ** 20
        print("%-11s %12.1f (%7.1f) %12.1f (%7.1f) %6.2fx %14.1f %14.1f %6.1f%%" % (
            head, m(ours, "ms_median"), m(ours, "cpu_ms"), m(theirs, "ms_median"), m(theirs, "cpu_ms"),
            m(theirs, "ms_median") / m(ours, "ms_median"), mib[0], mib[1], 100 * mib[0] / mib[1]))
        records += ours + theirs + [memory]
    products = run(peer + ["--products"] + timed)
    print("the three bare products in torch: %.1f ms (cpu %.1f)" % (products["ms_median"], products["cpu_ms"]))
    records.append(products)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(dict(command=" ".join(sys.argv), cpu=processor(), records=records), f, indent=1)


if __name__ == "__main__":
    main()
