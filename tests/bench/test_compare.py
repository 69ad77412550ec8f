"""Verdicts of bench/compare.py on made-up files. usage: test_compare.py bench/compare.py"""
import json
import os
import subprocess
import sys
import tempfile


def row(head, p20, median, p80, **more):
    return dict(implementation="qcface", head=head, n=64, d=512, k=1000, ms_p20=p20, ms_median=median, ms_p80=p80, **more)


def compare(folder, old, new, *options, **circumstances):
    paths = []
    for name, rows in (("old", old), ("new", new)):
        paths.append(os.path.join(folder, name + ".json"))
        with open(paths[-1], "w") as f:
            json.dump(dict(schema=1, rows=rows, **(circumstances if name == "new" else {})), f)
    out = os.path.join(folder, "verdicts.json")
    done = subprocess.run([sys.executable, sys.argv[1], *paths, "--json", out, *options], stdout=subprocess.PIPE, text=True)
    with open(out) as f:
        return done, {r["row"].split()[1]: r for r in json.load(f)}


with tempfile.TemporaryDirectory() as folder:
    old = [row("softmax", 9, 10, 11), row("cosface", 9, 10, 11, workspace_bytes=64), row("arcface", 9, 10, 11),
           row("magface", 9.99, 10, 10.01), row("adaface", 9, 10, 11)]
    new = [row("softmax", 5, 6, 7), row("cosface", 12, 13, 14, workspace_bytes=128), row("arcface", 10.5, 12, 13),
           row("magface", 10.05, 10.1, 10.2), row("mv-am", 1, 1, 1)]
    done, rows = compare(folder, old, new, device_name="another")
    assert done.returncode == 0
    assert "NOT ALIKE: device_name" in done.stdout
    assert {h: r["verdict"] for h, r in rows.items()} == {
        "softmax": "faster", "cosface": "slower",
        "arcface": "within noise",   # the intervals touch
        "magface": "within noise",   # they do not, but 1 % is below the margin
        "adaface": "only in the old file", "mv-am": "only in the new file"}, rows
    assert rows["cosface"]["workspace_grew_bytes"] == 64
    assert abs(rows["softmax"]["ratio"] - 0.6) < 1e-9
    assert compare(folder, old, new, "--fail-on-regression")[0].returncode == 1
    # Rows of training steps: the network is part of what was measured.
    done, rows = compare(folder, [row("qcface", 9, 10, 11, arch="ir18"), row("qcface", 99, 100, 101, arch="ir50")],
                         [row("qcface", 59, 60, 61, arch="ir50"), row("qcface", 9, 10, 11, arch="ir18")])
    assert {h: r["verdict"] for h, r in rows.items()} == {"ir18": "within noise", "ir50": "faster"}, rows
    assert compare(folder, old, old, "--fail-on-regression")[0].returncode == 0
    assert compare(folder, old, new, "--margin", "0.001")[1]["magface"]["verdict"] == "slower"
    whole = os.path.join(folder, "gpu.json")  # a file of tests/gpu/run.sh holds the benchmark's under "head"
    with open(whole, "w") as f:
        json.dump(dict(gpu="made up", steps=[], head=dict(schema=1, rows=old)), f)
    done = subprocess.run([sys.executable, sys.argv[1], whole, whole], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "0 faster, 0 slower, 5 within noise" in done.stdout, done.stdout
    bad = os.path.join(folder, "bad.json")
    with open(bad, "w") as f:
        f.write('{"schema": 7, "rows": []}')
    assert subprocess.run([sys.executable, sys.argv[1], bad, bad], stderr=subprocess.DEVNULL).returncode == 2
print("ok")
