"""tests/gpu/run.sh without a GPU: what it says and leaves when programs pass, fail, skip, hang or are not there. Programs
and tools are stand-ins of a few lines. usage: test_run.py [TEST...]"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ["qcface_conformance", "qcface_tests_kernels_cuda", "qcface_tests_nn_elementwise_cuda", "qcface_tests_nn_cuda",
            "qcface_tests_train_cuda", "qcface_bench_head_cuda", "qcface_bench_step_cuda",
            "qcface_bench_convolution_cuda", "qcface_bench_scoring_cuda"]
TOOLS = {
    "nvidia-smi": 'case $1 in *name*) echo "NVIDIA H100 (stand-in)" ;; *cap*) echo 9.0 ;; *) echo 580.1 ;; esac',
    "compute-sanitizer": 'echo "========= ERROR SUMMARY: 0 errors"',
    "ncu": "echo profiled",
    # PyTorch is there and sees the GPU, and its figures are measured at once; all else that python3 is called for is done.
    "python3": f'[[ $* == *torch* || $* == *compare.py* ]] && exit 0; exec {sys.executable} "$@"',
}
LOGS = "logs.tar.xz" if shutil.which("xz") else "logs.tar.gz"
# Leaves a file behind every flag that names one.
WRITES = 'while [[ $# -gt 0 ]]; do case $1 in --record | --json) echo "{}" >"$2" ;; esac; shift; done; echo done'


class RunTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.out = self.folder / "results"
        for name in PROGRAMS:
            self.put("programs", name, WRITES)
        for name, text in TOOLS.items():
            self.put("tools", name, text)
        (self.folder / "programs/COMMIT").write_text("abc1234\n")
        (self.folder / "programs/CUDA").write_text("13.0.88\n")

    def tearDown(self):
        self.temporary.cleanup()

    def put(self, kind, name, text):
        file = self.folder / kind / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/usr/bin/env bash\n{text}\n")
        file.chmod(0o755)

    def remove(self, kind, name):
        (self.folder / kind / name).unlink()

    def command(self, *options):
        return ["bash", str(HERE / "run.sh"), "--programs", str(self.folder / "programs"), "--out", str(self.out), *options]

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QCFACE_")}
        return {**kept, "PATH": f"{self.folder / 'tools'}:/usr/bin:/bin"}

    def run_sh(self, *options):
        done = subprocess.run(self.command(*options), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=120)
        self.text, self.code = done.stdout, done.returncode
        if self.out.exists():
            self.summary = json.loads((self.out / "summary.json").read_text())
            self.steps = {step["name"]: step for step in self.summary["steps"]}
        return done.returncode

    def logs(self):
        with tarfile.open(self.out / LOGS) as archive:
            return {member.name: archive.extractfile(member).read().decode() for member in archive}

    def only_passed(self, *but):
        for name, step in self.steps.items():
            if name not in but:
                self.assertEqual(step["result"], "passed", self.text)

    def test_all_pass(self):
        self.put("programs", "qcface_tests_kernels_cuda", 'echo "data: $QCFACE_TEST_DATA"')
        self.assertEqual(self.run_sh(), 0, self.text)
        self.only_passed()
        self.assertEqual(self.summary["verdict"], "all passed")
        self.assertIn("all passed; NVIDIA H100 (stand-in), commit abc1234", self.text.splitlines()[-1])
        self.assertEqual(sorted(self.steps), sorted(
            ["conformance", "kernels", "nn_elementwise", "nn", "train", "memcheck-conformance", "memcheck", "racecheck", "head",
             "head-plans", "step", "scoring", "peers", "convolutions", "convolution-peers", "head-large", "head-peers", "profile"]))
        for key, value in (("gpu", "NVIDIA H100 (stand-in)"), ("driver", "580.1"), ("cuda", "13.0.88"), ("commit", "abc1234")):
            self.assertEqual(self.summary[key], value)
        for key in ("cudnn", "cublaslt", "cores", "date", "command", "seconds"):
            self.assertIn(key, self.summary)
        # At most eight files, no folder; every step's log is in the archive.
        files = sorted(path.name for path in self.out.rglob("*"))
        self.assertLessEqual(len(files), 8, files)
        self.assertLessEqual(
            {"summary.json", "instructions.json", "head.json", "head-plans.json", "step.json", LOGS}, set(files))
        logs = self.logs()
        self.assertEqual(sorted(logs), sorted(
            ["head-large.json", "scoring.json", *(f"{name}.log" for name in ["environment", *self.steps])]))
        self.assertIn(f"data: {HERE.parents[1] / 'tests/data'}", logs["kernels.log"])

    def test_missing_program(self):
        self.remove("programs", "qcface_tests_train_cuda")
        self.assertEqual(self.run_sh(), 1)
        self.assertEqual(self.steps["train"]["result"], "missing")
        self.only_passed("train")
        self.assertNotIn("all passed", self.text)
        self.assertIn("qcface_tests_train_cuda is not among the programs", self.text)

    def test_missing_tool(self):
        self.remove("tools", "ncu")
        self.assertEqual(self.run_sh(), 3, self.text)
        self.assertEqual(self.steps["profile"]["result"], "missing")
        self.only_passed("profile")
        self.assertNotIn("all passed", self.text)

    def test_profiler_not_permitted(self):
        self.put("tools", "ncu", "echo '==ERROR== ERR_NVGPUCTRPERM'; exit 1")
        self.assertEqual(self.run_sh("--only", "profile"), 3, self.text)
        self.assertEqual(self.steps["profile"]["result"], "skipped")
        self.assertIn("not permitted", self.steps["profile"]["note"])
        self.put("tools", "ncu", "echo '==WARNING== No kernels were profiled.'")
        self.assertEqual(self.run_sh("--only", "profile"), 1, self.text)

    def test_no_device_is_a_failure(self):
        self.put("programs", "qcface_conformance", 'echo "[qcface-skip] no GPU: the wrappers were not run"; exit 77')
        # A Catch2 program passes when every case is skipped.
        self.put("programs", "qcface_tests_nn_cuda",
                 r'printf "[qcface-skip] no GPU on this machine\n0.001 s: one case\nAll tests passed\n"')
        self.assertEqual(self.run_sh(), 1)
        self.only_passed("conformance", "nn")
        for name in ("conformance", "nn"):
            self.assertEqual(self.steps[name]["result"], "failed")
            self.assertIn("sees no GPU", self.steps[name]["note"])
        self.assertNotIn("all passed", self.text)

    def test_skipped_inside(self):
        design = (HERE / "skips-by-design.txt").read_text().splitlines()[0]
        self.put("programs", "qcface_tests_kernels_cuda", rf'printf "[qcface-skip] {design}\n0.001 s: a case\n"')
        self.assertEqual(self.run_sh(), 0, self.text)
        self.assertIn("1 skipped by design", self.steps["kernels"]["note"])

        self.put("programs", "qcface_tests_nn_cuda",
                 r'printf "[qcface-skip] the moon is full\n0.001 s: a section\n0.002 s: a case\n"')
        self.assertEqual(self.run_sh(), 3, self.text)
        self.assertEqual(self.steps["nn"]["result"], "skipped")
        self.assertIn("the moon is full: a section", self.text)
        self.assertNotIn("all passed", self.text)

    def test_sanitizer_on_every_program(self):
        self.assertEqual(self.run_sh("--sanitizer", "--only", "sanitizer"), 0, self.text)
        every = [f"{check}-{tests}" for check in ("memcheck", "racecheck")
                 for tests in ("kernels", "nn_elementwise", "nn", "train")]
        self.assertEqual(sorted(self.steps), sorted(["memcheck-conformance", "memcheck", "racecheck", *every]))
        self.only_passed()

    def test_left_out_of_a_benchmark(self):
        self.put("programs", "qcface_bench_step_cuda", r"""
            while [[ $# -gt 0 ]]; do case $1 in --json) out=$2 ;; --budget) echo "budget $2" ;; esac; shift; done
            printf '{"left_out": ["ir50 f32 [512]: not started", "ir100"], "rows": []}' >"$out" """)
        self.assertEqual(self.run_sh("--only", "step", "--limit", "step=30"), 3, self.text)
        self.assertEqual(self.steps["step"]["result"], "skipped")
        self.assertIn("2 left out", self.steps["step"]["note"])
        self.assertIn("ir50 f32 [512]: not started", self.text)
        self.assertIn("budget 20", self.logs()["step.log"])

    def test_no_test_of_that_name(self):
        self.put("tools", "compute-sanitizer", "echo \"No test cases matched 'head types'\"")
        self.assertEqual(self.run_sh("--only", "memcheck"), 1, self.text)
        self.assertIn("no test has the name", self.steps["memcheck"]["note"])

    def test_failure_tells_why(self):
        self.put("programs", "qcface_tests_nn_cuda",
                 'for i in $(seq 500); do echo "test.cpp:$i: FAILED:"; echo "  REQUIRE( $i == 0 )"; done; exit 42')
        self.put("programs", "qcface_bench_head_cuda", 'echo "it says \\"no\\" in C:\\\\"; exit 5')
        self.assertEqual(self.run_sh(), 1)
        self.assertEqual((self.steps["nn"]["result"], self.steps["nn"]["status"]), ("failed", 42))
        end = "\n".join(self.text.splitlines()[-100:])
        self.assertIn("test.cpp:1: FAILED:", end)
        self.assertIn("REQUIRE( 1 == 0 )", end)
        self.assertIn('it says "no" in C:\\', end)
        self.assertIn('it says "no" in C:\\', self.steps["head"]["note"])
        self.assertIn("NOT PASSED: 4 failed", self.text.splitlines()[-1])
        self.assertRegex(end, r"conformance +passed")  # the whole table is in the last 100 lines
        self.assertIn("test.cpp:500", self.logs()["nn.log"])

    def test_hanging_program(self):
        self.put("programs", "qcface_tests_nn_cuda", "echo begun; sleep 60")
        self.assertEqual(self.run_sh("--limit", "nn=1"), 1)
        self.assertEqual(self.steps["nn"]["result"], "timeout")
        self.assertLess(self.steps["nn"]["seconds"], 20)
        self.only_passed("nn")
        self.assertIn("begun", self.logs()["nn.log"])

    def test_budget(self):
        self.put("programs", "qcface_tests_nn_cuda", "sleep 60")
        self.assertEqual(self.run_sh("--budget", "20", "--limit", "conformance=2"), 3, self.text)
        self.assertLess(self.summary["seconds"], 40)
        self.assertEqual(self.steps["conformance"]["result"], "passed")
        for name in ("kernels", "nn", "head", "step"):  # would get less than a third of their limits
            self.assertEqual(self.steps[name]["result"], "not run")
        self.assertRegex(self.text, r"head +not run")
        self.assertNotIn("all passed", self.text)

    def test_only(self):
        self.assertEqual(self.run_sh("--only", "conformance"), 0)
        self.assertEqual(list(self.steps), ["conformance"])
        self.assertNotIn("all passed", self.text)
        self.assertIn("passed: conformance", self.text.splitlines()[-1])
        self.assertEqual(self.run_sh("--only", "tests,head"), 0)
        # What an earlier run left is put aside.
        aside = [path for path in self.folder.iterdir() if path.name.startswith("results-")]
        self.assertEqual(len(aside), 1)
        self.assertTrue((aside[0] / "instructions.json").exists())
        self.assertFalse((self.out / "instructions.json").exists())
        self.assertEqual(set(self.steps), {"kernels", "nn_elementwise", "nn", "train", "head"})
        self.assertEqual(self.run_sh("--only", "nonsense"), 1)
        self.assertIn("there is no step 'nonsense'", self.text)

    def interrupt(self, number):
        self.put("programs", "qcface_tests_nn_cuda", "echo begun; sleep 20")
        process = subprocess.Popen(self.command(), env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = self.out / "logs/nn.log"
        for _ in range(300):
            if log.exists() and "begun" in log.read_text() and not (self.out / "logs/train.log").exists():
                break
            time.sleep(0.1)
        os.kill(process.pid, number)
        self.assertNotEqual(process.wait(timeout=30), 0)
        summary = json.loads((self.out / "summary.json").read_text())
        return {step["name"]: step["result"] for step in summary["steps"]}, summary

    def test_terminated(self):
        results, summary = self.interrupt(signal.SIGTERM)
        self.assertEqual(summary["verdict"], "interrupted")
        self.assertEqual((results["conformance"], results["nn"]), ("passed", "not run"))
        self.assertIn("begun", self.logs()["nn.log"])
        self.assertIn("conformance.log", self.logs())

    def test_killed(self):
        results, summary = self.interrupt(signal.SIGKILL)
        self.assertEqual((results["conformance"], results["nn"]), ("passed", "running"))
        self.assertNotEqual(summary["verdict"], "all passed")
        self.assertIn("begun", (self.out / "logs/nn.log").read_text())
        with tarfile.open(self.out / "logs.tar") as archive:
            self.assertIn("conformance.log", archive.getnames())
        self.assertTrue((self.out / "instructions.json").exists())

    def test_no_gpu(self):
        self.put("tools", "nvidia-smi", "exit 9")
        self.assertEqual(self.run_sh(), 77)
        self.assertEqual(len(self.text.splitlines()), 1)
        self.assertFalse(self.out.exists())

    def test_reasons_are_those_of_the_tests(self):
        tests = "".join(path.read_text() for path in (HERE.parent).rglob("*.cpp"))
        for reason in (HERE / "skips-by-design.txt").read_text().splitlines():
            self.assertTrue(reason)  # an empty line would match every reason
            self.assertIn(reason, tests)


if __name__ == "__main__":
    unittest.main()
