"""The benchmark of training steps on the emulated device: rows, parts, floors; the floors against the documented count of
memory traffic; and the program for a GPU, which must not need pictures' or the CPU's libraries.

usage: test_bench_step.py EMULATED_PROGRAM SOURCE_FOLDER [CUDA_PROGRAM]"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(sys.argv[2], "bench", "traffic"))
from elementwise_traffic import network  # noqa: E402

PROGRAM = sys.argv[1]
TINY = ["--arch", "tiny", "--side", "16", "--width", "16", "--classes", "50", "--seconds", "0", "--warmup", "0",
        "--samples-min", "2"]


def run(*options, program=PROGRAM):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "step.json")
        done = subprocess.run([program, *options, "--json", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        assert os.listdir(folder) == ["step.json"]
        with open(file) as f:
            return json.load(f), done.stdout


data, table = run(*TINY, "--batch", "4", "--types", "bf16,f32", "--peak-tflops", "1", "--peak-gbs", "10")
assert data["schema"] == 1 and data["device"] == "cuda" and data["left_out"] == [], data["left_out"]
assert [(r["arch"], r["type"], r["n"], r["d"], r["k"]) for r in data["rows"]] == [
    ("tiny", "bf16", 4, 16, 50), ("tiny", "f32", 4, 16, 50)]
for r in data["rows"]:
    assert len(r["samples_ms"]) == r["samples"] >= 2 and 0 < r["ms_p20"] <= r["ms_median"] <= r["ms_p80"], r
    assert abs(r["images_per_s"] - 4000 / r["ms_median"]) < 1e-4 * r["images_per_s"], r
    for part in ("forward_ms", "head_ms", "backward_ms", "update_ms", "head_update_ms"):
        assert r[part] > 0, part
    parts = [r["floor_%s_ms" % p] for p in ("products", "elementwise", "head")]
    assert all(p > 0 for p in parts) and abs(sum(parts) - r["floor_ms"]) < 1e-6 * r["floor_ms"], r
    assert abs(r["floor_share"] - r["floor_ms"] / r["ms_median"]) < 1e-6 and r["loss_id"] > 0
    assert r["arch"] in table

data, _ = run(*TINY, "--batch", "4", "--types", "bf16", "--no-parts")
assert "forward_ms" not in data["rows"][0] and "floor_ms" not in data["rows"][0]  # no data sheet knows the emulator
data, _ = run(*TINY, "--batch", "4,2", "--types", "bf16", "--budget", "0")
assert data["rows"] == [] and len(data["left_out"]) == 2 and "budget" in data["left_out"][0]

# The counts, which need no device.
data, _ = run("--count", "--batch", "512", "--types", "bf16")
assert [r["arch"] for r in data["rows"]] == ["ir18", "ir50", "ir100"]
for r, name in zip(data["rows"], ("IR-18", "IR-50", "IR-100")):
    documented = sum(network(name, 512, 2).fused.values())
    assert abs(r["elementwise_bytes"] - documented) < 1e-6 * documented, (name, r["elementwise_bytes"], documented)
    head = 8.0 * 512 * 512 * 93431
    assert abs(r["head_flops"] - head) < 1e-6 * head, r["head_flops"]


def flops(blocks):
    """Forward and both gradients of one picture, from the definition of the network."""
    side, channels = 112, 64
    once = 2 * 9 * side * side * 3 * 64
    total = 2 * once  # nobody needs the gradient of the pictures
    for width, count in zip((64, 128, 256, 512), blocks):
        for block in range(count):
            down = 2 if block == 0 else 1
            inner = 2 * 9 * side * side * channels * width
            side //= down
            inner += 2 * 9 * side * side * width * width
            if block == 0:
                inner += 2 * side * side * channels * width
            total += 3 * inner
            channels = width
    return total + 3 * 2 * side * side * channels * 512


for r, blocks in zip(data["rows"], ((2, 2, 2, 2), (3, 4, 14, 3), (3, 13, 30, 3))):
    assert abs(r["product_flops"] - 512 * flops(blocks)) < 1e-6 * r["product_flops"], (r["arch"], flops(blocks))

for wrong in (["--batch", "1"], ["--types", "f8"], ["--arch", "ir7"], ["--what"], ["--json", "-"], ["--budget"]):
    done = subprocess.run([PROGRAM, *TINY, *wrong], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and wrong[0] in done.stderr, (wrong, done.stderr)

if len(sys.argv) > 3:
    needed = subprocess.run(["readelf", "-d", sys.argv[3]], stdout=subprocess.PIPE, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in needed.splitlines() if "(NEEDED)" in line]
    for library in ("dnnl", "opencv", "jpeg", "cudnn", "cublas"):
        assert not any(library in name for name in needed), needed
    done = subprocess.run([sys.argv[3]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 77 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    # COMMIT beside a packed program says what it was built from.
    with tempfile.TemporaryDirectory() as folder:
        packed = shutil.copy(sys.argv[3], folder)
        for content, commit in (("abc1234\n", "abc1234"), ("abc1234-modified\n", "abc1234-modified")):
            with open(os.path.join(folder, "COMMIT"), "w") as f:
                f.write(content)
            data, _ = run("--count", "--arch", "ir18", program=packed)
            assert data["commit"] == commit, data["commit"]
print("ok")
