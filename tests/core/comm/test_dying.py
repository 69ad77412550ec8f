#!/usr/bin/env python3
"""Ranks that are lost: whatever happens to one process, all of them are gone soon after, the exit status says so, and the first
line of ours names the rank.

    test_dying.py MPIRUN PROGRAM [--foreign MPIRUN] [--only WORD]

MPIRUN starts PROGRAM (qcface_mpi_ranks), --foreign is the launcher of another MPI. For kill -9 the launcher may be the first to
see it; then its own message is what there is."""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

SILENCE, TIMEOUT = 5, 8  # seconds, of the ranks
OPENING = 15             # as loop.cpp has it
SPARE = 12               # for the launcher, on a busy machine
START = pathlib.Path(__file__).with_name("mpirun.sh")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Run:
    """N ranks in a loop; what they wrote."""

    def __init__(self, mpirun, program, ranks, mode, lost, prefix=()):
        self.out, self.err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        environment = dict(os.environ, OMP_NUM_THREADS="1", ASAN_OPTIONS="detect_leaks=0")
        self.process = subprocess.Popen(
            [*prefix, str(START), mpirun, str(ranks), program, "loop", str(SILENCE), str(TIMEOUT), "4000" if mode == "none"
             else "100", mode, str(lost)], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, env=environment,
            start_new_session=True)
        self.ranks, self.pids = ranks, {}
        end = time.monotonic() + 60
        while len(self.pids) < ranks and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.05)
            for rank, pid in re.findall(r"rank (\d+) of \d+ pid (\d+)", self.text(self.out)):
                self.pids[int(rank)] = int(pid)

    @staticmethod
    def text(file):
        file.seek(0)
        return file.read()

    def finish(self, limit, launcher_may_stay=False):
        """What is wrong, after at most `limit` seconds; kills what is left."""
        began = time.monotonic()
        wrong = []
        if not launcher_may_stay:
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                wrong.append(f"the launcher still runs after {limit} s")
        end = max(began + limit, time.monotonic() + 2)
        while any(alive(pid) for pid in self.pids.values()) and time.monotonic() < end:
            time.sleep(0.05)
        self.seconds = time.monotonic() - began
        left = [rank for rank, pid in self.pids.items() if alive(pid)]
        if left:
            wrong.append(f"ranks {left} are still there after {limit} s")
        if len(self.pids) < self.ranks:
            wrong.append(f"only the ranks {sorted(self.pids)} of {self.ranks} started")
        for pid in [*self.pids.values(), self.process.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        if self.process.returncode == 0:
            wrong.append("the exit status is 0")
        return wrong

    def first_line(self):
        for line in self.text(self.err).splitlines():
            if "error: " in line:
                return line
        return ""


def check(name, run, limit, words, launcher_may_speak=False, launcher_may_stay=False):
    wrong = run.finish(limit, launcher_may_stay)
    line = run.first_line()
    if not (launcher_may_speak and not line):
        wrong += [f"the first line does not have '{word}': {line!r}" for word in words if not re.search(word, line)]
    print(f"{'FAILED' if wrong else 'ok'}: {name}: {run.seconds:.1f} s; {line or 'the launcher alone speaks'}", flush=True)
    for text in wrong:
        print(f"    {text}", flush=True)
    if wrong:
        print(Run.text(run.err)[-3000:], flush=True)
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mpirun")
    parser.add_argument("program")
    parser.add_argument("--foreign")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    fine = True

    def wanted(name):
        return options.only in name

    def start(ranks, mode, lost):
        return Run(options.mpirun, options.program, ranks, mode, lost)

    for ranks, lost in ((3, 1), (4, 0)):
        name = f"kill -9 of rank {lost} of {ranks}"
        if wanted(name):
            run = start(ranks, "none", lost)
            time.sleep(0.5)
            os.kill(run.pids[lost], signal.SIGKILL)
            fine &= check(name, run, SILENCE + SPARE, [rf"rank {lost} |MPI"], launcher_may_speak=True)
        name = f"SIGSTOP of rank {lost} of {ranks}"
        if wanted(name):
            run = start(ranks, "none", lost)
            time.sleep(0.5)
            os.kill(run.pids[lost], signal.SIGSTOP)
            fine &= check(name, run, SILENCE + SPARE, [rf"error: rank {lost} \(host .*no sign of life for {SILENCE} s"])
    cases = {
        "return": (SILENCE, [r"error: rank 2 \(host .*has come to its end after 100 collectives"]),
        "exit": (SILENCE, [r"error: rank 2 \(host .*ends without having closed"]),
        "sleep": (TIMEOUT, [r"error: rank 2 \(host .*is missing: it has been outside of collectives for \d.*after 100"]),
        "throw": (0, [r"error: rank 2 has an error of its own"]),
        # Ranks that wait for work on their devices.
        "device": (TIMEOUT, [r"error: rank 2 \(host .*is missing: it has been outside of collectives for \d.*after 150.*waits in work on the device"]),
        # Ranks whose collectives are a second thread's.
        "thread-sleep": (TIMEOUT, [r"error: rank 2 \(host .*is missing: it has been outside of collectives for \d.*after 50"]),
        "thread-throw": (0, [r"error: rank 2 has an error of its own"]),
    }
    for mode, (seconds, words) in cases.items():
        name = f"{mode} of rank 2 of 3"
        if wanted(name):
            fine &= check(name, start(3, mode, 2), seconds + SPARE, words)
    name = "a rank that does not come to the start"
    if wanted(name):
        began = time.monotonic()
        run = start(3, "late", 1)  # ends before it has printed all ranks
        run.ranks = 1
        fine &= check(name, run, SPARE, [f"error: MPI did not open within {OPENING} s: one of the 3 processes"])
        waited = time.monotonic() - began
        if waited < OPENING:
            print(f"FAILED: {name}: given up after {waited:.1f} s, expected {OPENING} s")
            fine = False
    name = "kill -9 of the launcher"
    if wanted(name):
        run = start(3, "none", 0)
        os.kill(run.process.pid, signal.SIGKILL)
        fine &= check(name, run, SILENCE + SPARE, [], launcher_may_speak=True)
    name = "start by another MPI's mpirun"
    if options.foreign and wanted(name):
        run = Run(options.foreign, options.program, 3, "none", 0)
        run.ranks = 0
        fine &= check(name, run, SPARE, [r"error: .* started 3 processes, but MPI sees 1", "built with"])
    for mode in ("nothing", "thread-nothing"):
        name = f"three ranks that nothing happens to, {mode}"
        if not wanted(name):
            continue
        run = start(3, mode, 0)
        run.process.wait(60)
        ended_well = run.process.returncode == 0 and not Run.text(run.err)
        print(f"{'ok' if ended_well else 'FAILED'}: {name} {Run.text(run.err)}")
        fine &= ended_well
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
