"""The PyTorch peer of the GPU's training step and compare.py's table, on the CPU with a tiny network. Needs torch in the
Python that runs this. usage: test_peers_step.py SOURCE_FOLDER"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch  # noqa: F401
except ImportError:
    print("[qcface-skip] this Python has no torch")
    sys.exit(0)

COMPARE = os.path.join(sys.argv[1], "bench", "step", "compare.py")
TINY = ["--device", "cuda", "--no-ours", "--peer-device", "cpu", "--arch", "tiny", "--side", "16", "--width", "16",
        "--classes", "50", "--batch", "4", "--seconds", "0"]


def run(*options, status=0):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "peers.json")
        done = subprocess.run([sys.executable, COMPARE, *TINY, *options, "--json", file], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              env=dict(os.environ, OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1"))
        assert done.returncode == status, done.stdout + done.stderr
        if not os.path.exists(file):
            return None, done.stderr
        with open(file) as f:
            return json.load(f), done.stdout


data, table = run("--types", "bf16,f32", "--peers", "eager")
assert data["schema"] == 1 and data["left_out"] == [], data["left_out"]
assert [(r["implementation"], r["arch"], r["type"], r["n"], r["k"], r["head"]) for r in data["rows"]] == [
    ("torch eager", "tiny", kind, 4, 50, "arcface") for kind in ("bf16", "f32")]
for r in data["rows"]:
    assert r["samples"] == len(r["samples_ms"]) >= 2 and r["ms_p20"] <= r["ms_median"] <= r["ms_p80"], r
    assert r["images_per_s"] > 0 and r["loss_id"] > 0 and "torch eager" in table
data, _ = run("--types", "f32", "--peers", "eager", "--peer-head", "qcface")
assert data["rows"][0]["head"] == "qcface"
data, _ = run("--peers", "eager", "--budget", "0", status=1)
assert data["rows"] == [] and "budget" in data["left_out"][0]
_, error = run("--peers", "eager", "--peer-device", "cuda", status=0 if torch.cuda.is_available() else 1)
help_text = subprocess.run([COMPARE, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout  # it is executable
assert "--no-ours" in help_text and "--threads" in help_text
print("ok")
