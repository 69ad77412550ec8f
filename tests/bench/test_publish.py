"""bench/publish.py on figures made up for this test, in a temporary copy of the pages: tables, refusals, files cut off, the
same bytes twice. usage: test_publish.py SOURCE_FOLDER"""
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

SOURCE = sys.argv[1]
PAGES = ("docs/performance.md", "docs/cuda.md", "README.md")
GPU = "Made Up H100 80GB"
SLUG = "made-up-h100-80gb"


def head_row(head, k, ms, plan="chunked", kind="bf16", **more):
    return dict(dict(implementation="qcface", head=head, type=kind, plan=plan, update="sgd", n=512, d=512, k=k, samples=3,
                     ms_median=ms, ms_p20=ms - 0.01, ms_p80=ms + 0.01, ms_calls=ms + 0.2, host_us=321.5, gflops=123456.0,
                     peak_share=0.5, gbytes_per_s=2000.0, times_products=1.2, optimiser_ms=0.1, workspace_bytes=1 << 20,
                     extra_bytes=1 << 21, error=0.001, samples_ms=[ms - 0.01, ms, ms + 0.01]), **more)


def products(k, ms):
    return head_row("products", k, ms, implementation="cuBLASLt", plan="", update="dw")


def step_row(arch, rate, implementation="qcface", **more):
    ms = 512e3 / rate
    return dict(dict(implementation=implementation, arch=arch, head="qcface", type="bf16", update="sgd", n=512, d=512, k=93431,
                     samples=3, ms_median=ms, ms_p20=ms - 1, ms_p80=ms + 1, images_per_s=rate, forward_ms=10.0, head_ms=0.5,
                     backward_ms=20.0, update_ms=0.25, head_update_ms=0.25, extra_bytes=20 << 30, floor_ms=26.0,
                     floor_share=26.0 / ms, samples_ms=[ms - 1, ms, ms + 1]), **more)


def rows(program, *list_of_rows, **more):
    return dict(dict(schema=1, program=program, command=program + " --made-up", device="cuda", device_name=GPU,
                     commit="abc1234", date="2026-01-01T00:01:00Z", left_out=[]), **more, rows=list(list_of_rows))


def summary(**more):
    steps = [dict(name="conformance", status=0, seconds=3, limit=15, result="passed"),
             dict(name="kernels", status=1, seconds=40, limit=100, result="failed")]
    return dict(dict(gpu=GPU, driver="500.1", cuda="13.0", cudnn="9.1.0", cublaslt="13.1.0", commit="abc1234", cores=16,
                     date="2026-01-01T00:00:00Z", command="tests/gpu/run.sh --out made-up", seconds=470), **more, steps=steps)


def instructions():
    return dict(gpu=GPU, architecture=90, cases={"one": [1.5, 2.5]})


FILES = {
    "summary.json": summary(),
    "instructions.json": instructions(),
    "head.json": rows("bench_head", head_row("qcface", 93431, 0.65), head_row("curricular", 93431, 0.75), products(93431, 0.4),
                      head_row("qcface", 1000000, 7.5), head_row("qcface", 93431, 4.5, kind="f32"),
                      left_out=["qcface chunked f32 N 512 K 1000000: not started, --budget was used up"]),
    "head-plans.json": rows("bench_head", head_row("qcface", 93431, 0.6, plan="wgmma")),
    "step.json": rows("bench_step", step_row("ir18", 16000.0), step_row("ir50", 7000.0)),
    "step-peers.json": rows("compare.py", step_row("ir18", 9000.0, "torch eager", head="arcface", library="torch 9"),
                            step_row("ir18", 10000.0, "torch compiled", head="arcface", library="torch 9"),
                            step_row("ir50", 5000.0, "torch eager", head="arcface", library="torch 9"), commit="unknown"),
}


FILES["convolutions.json"] = dict(schema=1, program="bench_convolution", command="bench_convolution --made-up",
                                  device_name=GPU, left_out=[], rows=[
    dict(implementation=who, shape="64x112", n=512, type="bf16", kind="forward", ms_median=ms, ms_p20=ms, ms_p80=ms,
         gflops=400e3) for who, ms in (("torch 9", 1.25), ("qcface, made up", 1.0))])


FILES["head-large.json"] = rows("bench_head", head_row("qcface", 10000000, 60.0))
FILES["head-peers.json"] = rows("peers.py", head_row("qcface", 93431, 0.7, update="dw"),
                                head_row("qcface", 93431, 7.0, implementation="torch-eager", update="dw"))
FILES["scoring.json"] = dict(rows("bench_scoring", dict(implementation="qcface", phase="tinyface", n=3728, d=512, k=157871,
                                                        ms_median=25.0, ms_p20=24.0, ms_p80=26.0, gflops=40e3, cpu_scorer_ms=500.0,
                                                        times_faster=20.0, limit_share=0.8)),
                            peak_source="measured in this run", libraries="beside a CPU")
LOGGED = ("head-large.json", "head-peers.json", "scoring.json")  # come back in the archive of logs


class Project:
    """A copy of the pages and a folder of results."""

    def __init__(self):
        self.base = tempfile.mkdtemp()
        self.root, self.folder = os.path.join(self.base, "project"), os.path.join(self.base, "run")
        os.makedirs(self.folder)
        for page in PAGES:
            os.makedirs(os.path.dirname(os.path.join(self.root, page)), exist_ok=True)
            shutil.copy(os.path.join(SOURCE, page), os.path.join(self.root, page))
        for name, data in FILES.items():
            self.put(name, data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base)

    def put(self, name, data):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(data if isinstance(data, str) else json.dumps(data, indent=1))

    def archive(self):
        with tarfile.open(os.path.join(self.folder, "logs.tar.xz"), "w:xz") as logs:
            for name in LOGGED:
                logs.add(os.path.join(self.folder, name), name)
                self.drop(name)

    def drop(self, name):
        os.remove(os.path.join(self.folder, name))

    def publish(self, *options, refused=""):
        before = self.tree()
        done = subprocess.run([os.path.join(SOURCE, "bench", "publish.py"), self.folder, "--root", self.root, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == (1 if refused else 0), done.stdout + done.stderr
        if refused:
            assert refused in done.stderr and "Traceback" not in done.stderr, done.stderr
            assert self.tree() == before, "a refused run wrote something"
        return done.stdout

    def text(self, path):
        with open(os.path.join(self.root, path)) as f:
            return f.read()

    def tree(self):
        found = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, self.root)] = open(path, "rb").read()
        return found


def between(text, key):
    return re.search(r"<!-- gpu:%s -->\n(.*?)<!-- /gpu:%s -->" % (key, key), text, re.S).group(1)


def outside(text):
    return re.sub(r"(<!-- gpu:(\S+) -->\n).*?(<!-- /gpu:\2 -->)", r"\1\3", text, flags=re.S)


def cells(text, *wanted):
    """The cells of the first row that holds all these words."""
    for line in text.splitlines():
        row = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("|") and all(w in row for w in wanted):
            return row
    raise AssertionError((wanted, text))


with Project() as p:
    p.archive()
    print(p.publish())
    first = p.tree()
    p.publish()
    assert p.tree() == first, "the second run changed something"
    for page in PAGES:
        with open(os.path.join(SOURCE, page)) as f:
            assert outside(p.text(page)) == outside(f.read()), page + ": text outside of the markers changed"
    performance, cuda, readme = (p.text(page) for page in PAGES)
    head = between(performance, "head")
    row = cells(head, "93,431", "qcface", "bf16")
    assert row[4:7] == ["0.650 (0.640 to 0.660)", "0.850", "322"] and "0.7 ms, met" in row and "1.30, missed" in row, row
    assert "0.7 ms, missed" in cells(head, "curricular") and "7 ms, missed" in cells(head, "1,000,000")
    assert not any("met" in c or "missed" in c for c in cells(head, "f32")[12:]), "no goal was set for fp32"
    assert "0.400 (0.390 to 0.410)" in cells(head, "bare products, cuBLASLt")
    for fact in (GPU, "driver 500.1", "CUDA 13.0", "cuDNN 9.1.0", "cuBLASLt 13.1.0", "commit abc1234", "bench_head --made-up"):
        assert fact in head, fact
    assert "wgmma" in between(performance, "plans") and "wgmma" not in head
    assert "60.0 (60.0 to 60.0)" in cells(head, "10,000,000", "qcface"), head
    assert "10.00x, met" in cells(between(performance, "head-peers"), "torch-eager")
    step = between(performance, "step")
    row = cells(step, "IR-18", "bf16", "16,000")
    assert "15,000, met" in row and "10,000 (torch compiled)" in row and "1.60, met" in row and "0.750" in row, row
    row = cells(step, "IR-50", "7,000")
    assert "8,000, missed" in row and "1.40, missed" in row, row
    row = cells(between(performance, "convolutions"), "64x112", "qcface, made up")
    assert "1.00 (1.00 to 1.00)" in row and "400" in row, row
    assert "bench_convolution --made-up" in between(performance, "convolutions")
    row = cells(between(performance, "scoring"), "tinyface", "157,871")
    assert "25.0 (24.0 to 26.0)" in row and "20.0x" in row and "80 %" in row and "40.0" in row, row
    assert "Limits measured in this run, beside a CPU." in between(performance, "scoring")
    assert "bench_step --made-up" in step and "compare.py --made-up" in step and "torch 9" in step
    assert "| kernels | failed |" in between(cuda, "ran") and GPU in between(cuda, "state")
    short = between(readme, "summary")
    assert "plan wgmma" in short and "0.600 ms" in short and "16,000 images/s" in short and "torch compiled: 10,000" in short
    assert "has not run" not in between(readme, "support")
    results = {n: json.loads(p.text("bench/results/" + n)) for n in os.listdir(os.path.join(p.root, "bench/results"))}
    kinds = ("run", "head", "head-plans", "step", "step-peers", "convolutions", "head-large", "head-peers", "scoring")
    assert set(results) == {"%s-abc1234-%s.json" % (SLUG, kind) for kind in kinds}
    assert results[SLUG + "-abc1234-head.json"]["rows"] == FILES["head.json"]["rows"]
    assert results[SLUG + "-abc1234-head.json"]["run"]["driver"] == "500.1"
    assert any("--budget" in note for note in results[SLUG + "-abc1234-run.json"]["missing"])
    assert json.loads(p.text("tests/data/instructions/%s.json" % SLUG)) == instructions()

    # A newer run of the same GPU without steps: its heads replace the old ones, the old steps stay.
    p.put("summary.json", summary(commit="def5678", date="2026-02-01T00:00:00Z"))
    p.put("head.json", rows("bench_head", head_row("qcface", 93431, 0.5), commit="def5678"))
    for name in ("step.json", "step-peers.json", "head-plans.json", "logs.tar.xz"):
        p.drop(name)
    assert "step.json is absent" in p.publish()
    performance = p.text(PAGES[0])
    assert "0.500 (" in between(performance, "head") and "0.650 (" not in between(performance, "head")
    assert "commit def5678" in between(performance, "head") and "commit abc1234" in between(performance, "step")

with Project() as p:  # another GPU beside it
    p.publish()
    other = "Another GPU"
    p.put("summary.json", summary(gpu=other))
    p.put("instructions.json", dict(instructions(), gpu=other))
    for name in list(FILES)[2:]:
        p.put(name, dict(FILES[name], device_name=other))
    p.publish()
    step = between(p.text(PAGES[0]), "step")
    assert GPU in step and other in step and step.count("| IR-18 | bf16 | 512 | 16,000 |") == 2
    assert step.count("| 15,000, met |") == 1 and step.count("| 15,000 on an H100 |") == 1  # the goals are for one GPU

with Project() as p:  # cut off in the middle of a row, and in the middle of the head
    text = json.dumps(FILES["head.json"], indent=1)
    p.put("head.json", text[:text.index('"curricular"') + 300])
    p.put("step.json", json.dumps(FILES["step.json"])[:60])
    p.put("summary.json", json.dumps(summary())[:-20])
    said = p.publish()
    for note in ("head.json is cut off: 1 whole rows", "step.json is cut off before", "summary.json is cut"):
        assert note in said, said
    assert "0.650 (" in between(p.text(PAGES[0]), "head") and "curricular" not in between(p.text(PAGES[0]), "head")
    assert "compiled" in between(p.text(PAGES[0]), "step")  # the peers' rows alone

with Project() as p:  # no rows at all: only what ran is said, the tables stay as they are
    for name in list(FILES)[2:]:
        p.drop(name)
    before = p.text(PAGES[0])
    p.publish()
    assert between(p.text(PAGES[0]), "head") == between(before, "head") and GPU in between(p.text(PAGES[1]), "ran")

REFUSALS = (
    ("summary.json", None, "summary.json is absent"),
    ("summary.json", summary(gpu=""), "names no GPU"),
    ("summary.json", summary(commit="unknown"), "commit 'unknown'"),
    ("summary.json", summary(commit="abc1234-modified"), "--allow-modified"),
    ("summary.json", dict(summary(), steps=summary()["steps"][1:]), "not among the steps"),
    ("summary.json", dict(summary(), steps=[dict(name="conformance", result="failed")]), "of the instructions: failed"),
    ("summary.json", dict(summary(), steps=[dict(name="memcheck-conformance", result="passed")]), "not among the steps"),
    ("instructions.json", None, "not complete"),
    ("instructions.json", '{"gpu": "%s", "cases": {"one": [1, nan]}}' % GPU, "not complete"),
    ("instructions.json", dict(instructions(), cases={"one": []}), "not complete"),
    ("instructions.json", dict(instructions(), gpu="Another"), "is of Another"),
    ("head.json", dict(FILES["head.json"], commit="fff0000"), "of commit fff0000"),
    ("head.json", dict(FILES["head.json"], commit="abc1234-modified"), "--allow-modified"),
    ("step.json", dict(FILES["step.json"], commit="unknown"), "of commit unknown"),
    ("step.json", dict(FILES["step.json"], device_name="emulated"), "is of emulated"),
)
for name, data, sentence in REFUSALS:
    with Project() as p:
        p.put(name, data) if data is not None else p.drop(name)
        p.publish(refused=sentence)
with Project() as p:
    p.put("summary.json", summary(commit="abc1234-modified"))
    for name in ("head.json", "head-plans.json", "step.json", *LOGGED):
        p.put(name, dict(FILES[name], commit="abc1234-modified"))
    p.publish("--allow-modified")
    assert "commit abc1234-modified" in between(p.text(PAGES[0]), "head")
with Project() as p:
    path = os.path.join(p.root, "README.md")
    text = p.text("README.md").replace("<!-- /gpu:summary -->", "")
    with open(path, "w") as f:
        f.write(text)
    p.publish(refused="markers do not match")

# What the project itself holds came from a GPU, and not from here.
for folder, _, names in os.walk(os.path.join(SOURCE, "bench", "results")):
    assert not any("made-up" in name for name in names)
print("ok")
