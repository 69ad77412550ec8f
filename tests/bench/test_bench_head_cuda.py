"""A tiny run of the CUDA benchmark of the heads on the emulated device. usage: test_bench_head_cuda.py EMULATED_PROGRAM"""
import json
import subprocess
import sys
import tempfile

TINY = ["--n", "8", "--d", "64", "--heads", "qcface", "--seconds", "0", "--warmup", "0", "--samples-min", "2"]


def run(*options):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        done = subprocess.run([sys.argv[1], *TINY, *options, "--json", file.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        with open(file.name) as f:
            return json.load(f), done.stdout


# 75 is no multiple of 64 and odd: the bare products pad their rows.
data, table = run("--k", "75,130", "--types", "f32,bf16", "--plans", "chunked,mma,wgmma")
assert data["device"] == "cuda" and data["cache"] == "cold"
ours = [r for r in data["rows"] if r["implementation"] == "qcface"]
assert [(r["k"], r["type"], r["plan"]) for r in ours] == [
    (k, *rest) for k in (75, 130) for rest in (("f32", "chunked"), ("bf16", "chunked"), ("bf16", "mma"), ("bf16", "wgmma"))]
for r in ours:
    assert r["samples"] == len(r["samples_ms"]) == 2 and r["calls"] == 2 and r["graph"] == 1, r
    assert r["ms_median"] > 0 and r["ms_calls_p20"] <= r["ms_calls"] <= r["ms_calls_p80"] and r["host_us"] > 0, r
    assert r["times_products"] > 0 and 0 <= r["error"] < (2e-4 if r["type"] == "f32" else 6e-2), r
assert len([r for r in data["rows"] if r["head"] == "products"]) == 4
assert len(data["left_out"]) == 4 and all("operand_type" in reason for reason in data["left_out"]), data["left_out"]

data, _ = run("--k", "75", "--types", "f32", "--plans", "chunked", "--budget", "0")
assert data["rows"] == [] and "budget" in data["left_out"][0]
print("ok")
