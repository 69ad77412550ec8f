#!/usr/bin/env python3
"""The peer of qcface_bench_identify: ranks and mean average precision of the rows that it saved, with NumPy.

usage: peer_identify.py FOLDER [--precision double|single] [--block 256]
Scores of a block of probes are one product of unit rows; mates' ranks are counted, as a careful script would do it.
Prints one row of JSON.
"""
import argparse
import json
import os
import resource
import time

import numpy as np


def labels(folder, name):
    return np.loadtxt(os.path.join(folder, name + "_subjects.txt"), dtype=np.int64, ndmin=1)


def unit(rows, dtype):
    rows = rows.astype(dtype)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(probes, gallery, probe_subjects, gallery_subjects, block, dtype):
    gallery = unit(gallery, dtype)
    hits = {rank: 0 for rank in (1, 5, 10, 20)}
    precision_sum, mated = 0.0, 0
    of_subject = {}
    for row, subject in enumerate(gallery_subjects):
        if subject >= 0:
            of_subject.setdefault(int(subject), []).append(row)
    for first in range(0, len(probes), block):
        scores = unit(probes[first:first + block], dtype) @ gallery.T
        for i, row in enumerate(scores):
            mates = of_subject.get(int(probe_subjects[first + i]), [])
            if not mates:
                continue
            mated += 1
            # Rows that stand before each mate; of equal scores the first row.
            ranks = sorted(int(np.count_nonzero(row > row[m])) + int(np.count_nonzero(row[:m] == row[m])) for m in mates)
            for rank in hits:
                hits[rank] += ranks[0] < rank
            total = 0.0
            for found, before in enumerate(ranks):
                total += (found + 1) / (before + 1) + (1.0 if before == 0 else found / before)
            precision_sum += total / (2 * len(ranks))
    return [hits[rank] / mated for rank in hits], precision_sum / mated


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--precision", choices=["double", "single"], default="double")
    parser.add_argument("--block", type=int, default=256)
    options = parser.parse_args()
    probes = np.load(os.path.join(options.folder, "probes.npy"))
    gallery = np.load(os.path.join(options.folder, "gallery.npy"))
    probe_subjects, gallery_subjects = labels(options.folder, "probes"), labels(options.folder, "gallery")
    dtype = np.float64 if options.precision == "double" else np.float32
    begin = time.perf_counter()
    rates, precision = measure(probes, gallery, probe_subjects, gallery_subjects, options.block, dtype)
    seconds = time.perf_counter() - begin
    print(json.dumps({"program": f"NumPy {np.__version__} {options.precision}", "probes": len(probes), "gallery": len(gallery),
                      "seconds": round(seconds, 3), "hit_rates": rates, "mean_average_precision": precision,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
