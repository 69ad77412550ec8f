"""A tiny run of the benchmark of the heads: every head and type agrees with the benchmark's own reference, and the file
that it writes holds what the scripts that read it expect. usage: test_bench_head.py PROGRAM"""
import json
import subprocess
import sys
import tempfile

TINY = ["--n", "8", "--d", "64", "--k", "300", "--threads", "2", "--seconds", "0", "--warmup", "0", "--samples-min", "2"]
HEADS = {"qcface", "qcface-cur", "qcface-mv", "softmax", "cosface", "arcface", "magface", "adaface", "curricular",
         "mv-arc", "mv-am"}


def run(*options):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        done = subprocess.run([sys.argv[1], *TINY, *options, "--json", file.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        with open(file.name) as f:
            return json.load(f), done.stdout


for options, update in (((), "dw"), (("--sgd",), "sgd"), (("--forward",), "none")):
    data, table = run("--types", "f32,bf16,f16", "--cache", "cold" if update == "dw" else "warm", *options)
    assert data["schema"] == 1 and data["device"] == "cpu" and data["threads"] == 2, data
    for member in ("program", "command", "device_name", "libraries", "commit", "date", "isa", "cache"):
        assert data[member], member
    rows = [r for r in data["rows"] if r["implementation"] == "qcface"]
    assert {(r["head"], r["type"]) for r in rows} == {(h, t) for h in HEADS for t in ("f32", "bf16", "f16")}
    for r in rows:
        assert r["update"] == update and (r["n"], r["d"], r["k"]) == (8, 64, 300), r
        assert 0 <= r["error"] < 2e-4 and r["workspace_bytes"] > 0 and r["loss_id"] > 0 and r["host_us"] > 0, r
        assert len(r["samples_ms"]) == r["samples"] >= 2 and r["ms_p20"] <= r["ms_median"] <= r["ms_p80"], r
        assert r["head"] in table
    floor = [r for r in data["rows"] if r["head"] == "products"]
    if any("bare products" in reason for reason in data["left_out"]):
        assert not floor
    else:
        assert len(floor) == 3 and all(r["times_products"] > 0 and r["peak_share"] > 0 for r in rows)

data, _ = run("--heads", "arcface", "--no-products")
assert len(data["rows"]) == 1 and "times_products" not in data["rows"][0] and data["left_out"]
for wrong in (["--k", "0"], ["--types", "f8"], ["--heads", "nohead"], ["--what"]):
    assert subprocess.run([sys.argv[1], *TINY, *wrong], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1
print("ok")
