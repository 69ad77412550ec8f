#!/usr/bin/env python3
"""What a trained head makes of its own training people when their pictures get worse: the probability p of the right class, without
margin, on which the guidance of the length rests, the length that p asks for, and the length that pictures have.

usage: probabilities.py --program build/dev/bin/qcface --run RUN --data TRAINING_SET [--sources 48] --out FOLDER

FOLDER keeps the degradation series of one picture a person and its embeddings. Prints a row a kind, a column a level: mean p, the
mean of z*(p), median length. A magnitude can only follow p: where p does not fall, a flat curve is right; where it falls and the length
does not, training never showed such pictures. Needs NumPy.
"""
import argparse
import csv
import json
import os
import struct
import subprocess
import sys

try:
    import numpy as np
except ImportError:
    np = None  # --help works without

S, UPPER, LOWER, EPS = 64.0, 100.0, 1.0, 1e-3  # docs/math.md, sections 1 and 5
K = (UPPER / LOWER) ** 2 * (UPPER + 3 * LOWER) / (3 * UPPER + LOWER)


def tensor(path, name):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        begin = f.tell()
        entry = header[name]
        f.seek(begin + entry["data_offsets"][0])
        return np.frombuffer(f.read(entry["data_offsets"][1] - entry["data_offsets"][0]), np.float32).reshape(entry["shape"])


def probabilities(embeddings, weights, labels):
    """p of each row (math.md, section 5); weights [D, K]."""
    x = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    logits = S * (x @ (weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-12)))
    rows = np.arange(len(labels))
    target = logits[rows, labels]
    logits[rows, labels] = -np.inf
    top = logits.max(axis=1)
    others = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return 1 / (1 + np.exp(others - target))


def best_length(p):
    return np.sqrt((1 + (K - 1) * p) / (1 / LOWER ** 2 + (K / UPPER ** 2 - 1 / LOWER ** 2) * p + EPS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "run", "data", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--sources", type=int, default=48)
    options = parser.parse_args()
    if np is None:
        sys.exit("probabilities.py: this Python has no NumPy (package python3-numpy, with /usr/bin/python3)")
    series, features = os.path.join(options.out, "series"), os.path.join(options.out, "embeddings")
    weights = os.path.join(options.run, "checkpoints", "best.safetensors")
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    if not os.path.exists(os.path.join(series, "levels.csv")):
        subprocess.run([options.program, "data", "degrade", "--data", options.data, "--out", series, "--sources",
                        str(options.sources), "--seed", "1"], **quiet)
    subprocess.run([options.program, "embed", "--weights", weights, "--data", series, "--out", features], **quiet)
    with open(os.path.join(options.run, "classes.txt")) as f:
        label = {line.rstrip("\n"): i for i, line in enumerate(f)}
    with open(os.path.join(series, "sources.csv"), newline="") as f:
        label_of = {row["source"]: label[row["picture"].split("/")[0]] for row in csv.DictReader(f)}
    with open(os.path.join(series, "levels.csv"), newline="") as f:
        listed = {row["file"]: row for row in csv.DictReader(f)}
    names = ["/".join(str(n).split("/")[-2:]) for n in np.load(os.path.join(features, "filenames.npy"))]
    x = np.load(os.path.join(features, "embeddings.npy")).astype(np.float64)
    p = probabilities(x, tensor(weights, "head.weight").astype(np.float64), np.array([label_of[listed[n]["source"]] for n in names]))
    z = np.linalg.norm(x, axis=1)
    cells = {}
    for name, *values in zip(names, p, best_length(p), z):
        cells.setdefault(listed[name]["kind"], {}).setdefault(float(listed[name]["level"]), []).append(values)
    for kind, levels in cells.items():
        print("| %s | " % kind + " | ".join(
            "%g: %.2f, %.0f, %.1f" % (level, *np.mean([v[:2] for v in values], axis=0), np.median([v[2] for v in values]))
            for level, values in sorted(levels.items())) + " |")


if __name__ == "__main__":
    main()
