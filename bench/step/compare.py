"""Training step of qcface against PyTorch on this machine: first the same results, then the times.

usage: compare.py --bench build/bench/bin/qcface_bench_step [--python PYTHON_WITH_TORCH] [--arch ir18] [--batch 16]
                  [--threads 2] [--steps 5] [--rounds 3]

Both start from equal weights and must agree on the embeddings of the first step and on the loss of three steps.
Then the programs run in turn, `rounds` times; PyTorch in both memory layouts, of which the faster counts.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from comparison import run_json  # noqa: E402

ap = argparse.ArgumentParser()
ap.add_argument("--bench", required=True)
ap.add_argument("--python", default=sys.executable)
ap.add_argument("--arch", default="ir18")
ap.add_argument("--batch", type=int, default=16)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--steps", type=int, default=5)
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--json", default="")
args = ap.parse_args()
peer = [args.python, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_torch.py")]
shape = ["--arch", args.arch, "--batch", str(args.batch), "--threads", str(args.threads)]
env = dict(os.environ, OMP_NUM_THREADS=str(args.threads))


def run(command, *extra):
    return run_json(command + shape + list(extra), env)[-1]


def agree():
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("ours.json", "torch.json")]
        for command, file in zip(([args.bench], peer), files):
            run(command, "--steps", "3", "--warmup", "0", "--check", file)
        ours, torch = (json.load(open(f)) for f in files)
    a, b = ours["embeddings"], torch["embeddings"]
    spread = statistics.pstdev(b)
    worst = max(abs(x - y) for x, y in zip(a, b)) / spread
    print("first embeddings: largest difference %.1e of their standard deviation" % worst)
    print("loss of 3 steps: ours %s, torch %s" % tuple(["%.6f" % v for v in r["loss"]] for r in (ours, torch)))
    assert len(a) == len(b) and worst < 1e-3, "the two do not compute the same embeddings"
    scale = max(abs(v) for v in torch["loss"]) + 1e-3
    assert all(abs(x - y) < 2e-2 * scale for x, y in zip(ours["loss"], torch["loss"])), "the losses part"


agree()
contenders = {"qcface": ([args.bench], []), "torch nchw": (peer, ["--layout", "nchw"]), "torch nhwc": (peer, ["--layout", "nhwc"])}
times, last = {name: [] for name in contenders}, {}
for _ in range(args.rounds):
    for name, (command, extra) in contenders.items():
        last[name] = run(command, "--steps", str(args.steps), *extra)
        times[name] += last[name]["step_seconds"]
rates = {name: args.batch / statistics.median(t) for name, t in times.items()}
for name, t in times.items():
    q = statistics.quantiles(t, n=5)
    print("%-11s %6.2f images/s (p20 %.2f, p80 %.2f)" % (name, rates[name], args.batch / q[3], args.batch / q[0]))
best = max(rates["torch nchw"], rates["torch nhwc"])
ratio = rates["qcface"] / best
print("%s batch %d, %d threads, %s: qcface %.2f images/s is %.2f times %s's %.2f; activations %.0f MiB" % (
    args.arch, args.batch, args.threads, last["qcface"]["backend"], rates["qcface"], ratio, last["torch nchw"]["program"], best,
    last["qcface"]["plan_peak_mib"]))
if args.json:
    json.dump(dict(rates=rates, ratio=ratio, times=times, last=last), open(args.json, "w"), indent=1)
