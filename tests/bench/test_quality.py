"""bench/quality on drawn faces, tiny: every part runs, a second call adds to the first, the tables hold what was measured.
usage: test_quality.py QCFACE PROJECT"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import xml.dom.minidom

program, project = sys.argv[1:]
run_py, tables_py = (os.path.join(project, "bench", "quality", name) for name in ("run.py", "tables.py"))
spec = importlib.util.spec_from_file_location("run", run_py)
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)
assert run.area_under_roc([3, 4], [1, 2]) == 1.0
assert run.area_under_roc([1, 2], [1, 2]) == 0.5
assert run.area_under_roc([1], [2, 1]) == 0.25

with tempfile.TemporaryDirectory() as folder:
    faces, people, out = (os.path.join(folder, name) for name in ("faces", "people", "out"))
    subprocess.run([program, "data", "synth", "--out", faces, "--identities", "6", "--pictures", "6", "--verify-identities", "8",
                    "--verify-pictures", "6", "--pairs", "240", "--degrade-sources", "0"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for person in os.listdir(os.path.join(faces, "train")):
        os.makedirs(os.path.join(people, person))
        for i, name in enumerate(sorted(os.listdir(os.path.join(faces, "train", person)))):
            os.rename(os.path.join(faces, "train", person, name),
                      os.path.join(people, person, "%s_%02d.jpg" % ("frontal" if i < 4 else "profile", i)))

    def measure(heads):
        done = subprocess.run(
            [sys.executable, run_py, "--program", program, "--data", people, "--lfw", os.path.join(faces, "verify"), "--pairs",
             os.path.join(faces, "verify", "pairs.list"), "--out", out, "--heads", heads, "--epochs", "1", "--start-epochs", "1",
             "--embed-dims", "16", "--batch-size", "8", "--warmup-steps", "1", "--held-out", "2", "--sources", "1", "--jobs", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        with open(os.path.join(out, "quality.json")) as f:
            return json.load(f)["runs"]

    first = measure("qcface")
    assert [r["head"] for r in first] == ["qcface"]
    # The held-out people are in no training folder, and no profile picture is in the frontal one.
    assert len(os.listdir(os.path.join(out, "train"))) == 4
    assert {len(os.listdir(os.path.join(out, pose, "id00005"))) for pose in ("frontal", "profile")} == {4, 2}
    both = measure("qcface,magface")
    assert [r["head"] for r in both] == ["magface", "qcface"]
    assert both[1] == first[0]  # not measured anew
    row = both[0]
    assert 0 < row["accuracy"] <= 1 and 0 <= row["frontal_over_profile"] <= 1 and len(row["spearman"]) == 6
    assert [c["fmr"] for c in row["ercs"]] == [0.01]  # 120 different pairs do not tell 1e-3

    text = subprocess.run([sys.executable, tables_py, os.path.join(out, "quality.json"), "--figures", folder], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("| `qcface` | %.2f" % (100 * first[0]["accuracy"])))
    assert "| - | - |" in line, line
    for name in ("recognizability-degradation.svg", "recognizability-rejection.svg"):
        assert len(xml.dom.minidom.parse(os.path.join(folder, name)).getElementsByTagName("polyline")) >= 2
print("ok")
