#!/usr/bin/env python3
"""Compares two JSON files of the benchmarks, row by row, and knows noise.

usage: compare.py OLD.json NEW.json [--margin 0.02] [--fail-on-regression] [--json FILE]

Rows are the same measurement if implementation, arch, head, phase, type, plan, update, n, d and k are. A row is

    faster, slower   the intervals from the 20th to the 80th percentile do not touch, and the medians differ by more
                     than the margin (a share of the old median): a smaller difference is not worth a word
    within noise     anything else

Memory has no noise worth the name: a workspace that grew or shrank is said beside the verdict. Files of different
devices, threads, cache states or libraries are compared all the same, and the difference is named first. Exit status
0, with --fail-on-regression 1 where a row is slower; 2 where a file cannot be read.
"""
import argparse
import json
import sys

KEY = ("implementation", "arch", "head", "phase", "type", "plan", "update", "n", "d", "k")
CIRCUMSTANCES = ("program", "device", "device_name", "driver", "cuda", "isa", "libraries", "threads", "cache")


def load(path):
    try:
        with open(path) as f:
            data = json.load(f)
        if "schema" not in data and isinstance(data.get("head"), dict):
            data = data["head"]  # a file of tests/gpu/run.sh
        if data.get("schema") != 1:
            raise ValueError("schema is %r, expected 1" % data.get("schema"))
        for row in data["rows"]:
            row["ms_median"], row["ms_p20"], row["ms_p80"]
        return data
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as e:
        print("compare.py: %s: %s" % (path, e), file=sys.stderr)
        sys.exit(2)


def key(row):
    return tuple(row.get(k) for k in KEY)


def name(k):
    return " ".join(str(part) for part in k[:7] if part) + " N %s D %s K %s" % k[7:]


def verdict(old, new, margin):
    change = new["ms_median"] / old["ms_median"] - 1 if old["ms_median"] > 0 else 0.0
    if abs(change) <= margin:
        return "within noise"
    if new["ms_p80"] < old["ms_p20"]:
        return "faster"
    if new["ms_p20"] > old["ms_p80"]:
        return "slower"
    return "within noise"


def compare(old, new, margin):
    before = {key(r): r for r in old["rows"]}
    after = {key(r): r for r in new["rows"]}
    rows = []
    for k, b in after.items():
        if k not in before:
            rows.append(dict(row=name(k), verdict="only in the new file"))
            continue
        a = before[k]
        row = dict(row=name(k), verdict=verdict(a, b, margin), old_ms=a["ms_median"], new_ms=b["ms_median"],
                   ratio=b["ms_median"] / a["ms_median"] if a["ms_median"] > 0 else None)
        grown = b.get("workspace_bytes", 0) - a.get("workspace_bytes", 0)
        if grown:
            row["workspace_grew_bytes"] = grown
        rows.append(row)
    rows += [dict(row=name(k), verdict="only in the old file") for k in before if k not in after]
    return rows


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    ap.add_argument("old")
    ap.add_argument("new")
    ap.add_argument("--margin", type=float, default=0.02)
    ap.add_argument("--fail-on-regression", action="store_true")
    ap.add_argument("--json")
    a = ap.parse_args()
    old, new = load(a.old), load(a.new)
    print("old: %s, %s, commit %s\nnew: %s, %s, commit %s" % (
        a.old, old.get("date"), old.get("commit"), a.new, new.get("date"), new.get("commit")))
    for c in CIRCUMSTANCES:
        if old.get(c) != new.get(c):
            print("NOT ALIKE: %s was %r, is %r" % (c, old.get(c), new.get(c)))
    rows = compare(old, new, a.margin)
    width = max([len(r["row"]) for r in rows] + [3])
    for r in rows:
        figures = ""
        if "old_ms" in r:
            figures = "%10.3f -> %10.3f ms  %6.3f  " % (r["old_ms"], r["new_ms"], r["ratio"] or 0)
        grown = r.get("workspace_grew_bytes")
        print("%-*s  %s%s%s" % (width, r["row"], figures, r["verdict"],
                                ", workspace %+d bytes" % grown if grown else ""))
    count = lambda v: sum(r["verdict"] == v for r in rows)
    print("%d faster, %d slower, %d within noise, %d in one file only" % (
        count("faster"), count("slower"), count("within noise"),
        sum(r["verdict"].startswith("only") for r in rows)))
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f, indent=1)
    return 1 if a.fail_on_regression and count("slower") else 0


if __name__ == "__main__":
    sys.exit(main())
