"""The benchmark of the convolutions on the emulated device, tiny; PyTorch's rows beside them where there is a PyTorch.
usage: test_bench_convolution.py PROGRAM PEER [PYTHON]"""
import json
import os
import subprocess
import sys
import tempfile

program, peer = sys.argv[1:3]
python = sys.argv[3] if len(sys.argv) > 3 else sys.executable
small = ["--batch", "2", "--shapes", "8x6,16x5", "--types", "bf16,f16,f32", "--seconds", "0.001"]

with tempfile.TemporaryDirectory() as folder:
    file = os.path.join(folder, "convolutions.json")

    def run(command, *options):
        done = subprocess.run([*command, *small, *options, "--json", file], stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stdout
        with open(file) as f:
            return json.load(f)

    ours = run([program])
    assert ours["left_out"] == []
    assert len(ours["rows"]) == 2 * 3 * 3, ours
    assert {row["kind"] for row in ours["rows"]} == {"forward", "data", "weights"}
    for row in ours["rows"]:
        assert 0 < row["ms_p20"] <= row["ms_median"] <= row["ms_p80"], row
    assert len(run([program], "--budget", "1e-9")["left_out"]) == 6

    for wrong in (["--shapes", "64"], ["--types", "f64"], ["--batch", "no"], ["--nonsense", "1"]):
        assert subprocess.run([program, *wrong], stderr=subprocess.DEVNULL).returncode == 1, wrong

    if subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode != 0:
        print("PyTorch is missing: its rows were not tried")
        sys.exit(0)
    run([program])
    small[small.index("bf16,f16,f32")] = "f32"  # a CPU has no fp16 convolution
    both = run([python, peer], "--device", "cpu")
    added = [row for row in both["rows"] if row["implementation"].startswith("torch ")]
    assert len(both["rows"]) == 18 + len(added) and len(added) == 2 * 3 * 2, both
    assert all(row["ms_median"] > 0 and row["gflops"] > 0 for row in added)
