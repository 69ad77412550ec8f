"""bench/scale, tiny: the formulas against sums by hand, the interpolation, and the measurement on one and two ranks.
usage: test_scale.py MPIRUN QCFACE PROJECT"""
import json
import os
import subprocess
import sys
import tempfile

mpirun, program, project = sys.argv[1:]
folder = os.path.join(project, "bench", "scale")
sys.path.insert(0, folder)
import measure  # noqa: E402
import model  # noqa: E402

# Two ranks of 3 pictures, D = 4, 10 classes, 100 parameters: half of everything is the other rank's.
sent = model.traffic(3, 2, 4, 100)
assert sent == {"backbone": 400.0, "embeddings": 48.0, "labels": 24.0, "sums": 288.0, "dx": 48.0}, sent
assert model.traffic(3, 1, 4, 100) == dict.fromkeys(sent, 0.0)
kept = model.memory(3, 2, 4, 10, 100, 1000)
assert kept == {"classes": 5 * 4 * 10, "backbone": 1400, "rows": 3 * 6 * 4 * 4, "activations": 1500}, kept
times = model.least_times(3, 2, 4, 10, 100, 7, {"products": 2.0, "memory": 4.0, "network": 8.0})
assert times == {"backbone": 31.5, "head's products": 480.0, "head's memory": 110.0, "network": 101.0}, times

points = [{"collective": "c", "bytes": 100, "seconds": 1.0}, {"collective": "c", "bytes": 10000, "seconds": 4.0}]
assert measure.time_of(points, "c", 10) == 1.0
assert abs(measure.time_of(points, "c", 1000) - 2.0) < 1e-12
assert measure.time_of(points, "c", 20000) == 8.0

with tempfile.TemporaryDirectory() as out:
    file = os.path.join(out, "scale.json")
    done = subprocess.run([sys.executable, os.path.join(folder, "measure.py"), "--mpirun", mpirun, "--program", program, "--out", file,
                           "--ranks", "1", "2", "--steps", "6"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(file) as text:
        found = json.load(text)
    assert [run["ranks"] for run in found["runs"]] == [1, 2]
    one, two = found["runs"]
    assert one["communication"] == 0 and 0 < two["communication"] < 1, found
    assert "overlapped_step_s" not in one and two["overlapped_step_s"] > 0 and 0 <= two["overlapped_communication"] < 1, found
    assert {m["collective"] for m in two["collectives"]} == {"all_reduce", "all_gather", "reduce_scatter"}
    assert all(m["seconds"] > 0 and m["ranks"] == 2 for m in two["collectives"])
    assert done.stdout.count("\n| ") == 2, done.stdout  # a row each
