"""The benchmark of scoring on the emulated device, tiny. usage: test_bench_scoring.py PROGRAM"""
import json
import os
import subprocess
import sys
import tempfile

program = sys.argv[1]
small = ["--scale", "0.00003", "--width", "8", "--seconds", "0", "--threads", "2"]

with tempfile.TemporaryDirectory() as folder:
    file = os.path.join(folder, "scoring.json")

    def run(*options):
        done = subprocess.run([program, *small, *options, "--json", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        assert done.returncode == 0, done.stdout
        with open(file) as f:
            return json.load(f), done.stdout

    data, text = run("--cases", "pairs,roc,tinyface")
    assert data["left_out"] == [] and data["program"] == "qcface_bench_scoring_cuda", data
    assert [row["phase"] for row in data["rows"]] == ["pair scores", "ROC", "tinyface"]
    for row in data["rows"]:
        assert 0 < row["ms_p20"] <= row["ms_median"] <= row["ms_p80"] and row["cpu_scorer_ms"] > 0 and row["times_faster"] > 0, row
        assert row["limit_share"] > 0 and ("gflops" in row) == (row["phase"] == "tinyface"), row
    assert "GFLOP/s" in text and "measured in this run" in data["peak_source"]

    data, _ = run("--cases", "ijbc,million", "--no-cpu")
    assert [row["phase"] for row in data["rows"]] == ["ijbc", "million"] and "cpu_scorer_ms" not in data["rows"][0], data
    data, _ = run("--budget", "0")
    assert data["rows"] == [] and len(data["left_out"]) == 5, data

    for wrong in (["--cases", "all"], ["--scale", "no"], ["--nonsense", "1"], ["--json"]):
        assert subprocess.run([program, *wrong], stderr=subprocess.DEVNULL).returncode == 1, wrong
print("ok")
