#!/usr/bin/env python3
"""Training step of qcface against PyTorch on this machine.

usage: compare.py --bench build/bench/bin/qcface_bench_step [--python PYTHON_WITH_TORCH] [--arch ir18] [--batch 16]
                  [--threads 2] [--steps 5] [--rounds 3] [--json FILE]
       compare.py --device cuda --bench build/cuda/bin/qcface_bench_step_cuda [--python PYTHON_WITH_TORCH]
                  [--arch ir18,ir50,ir100] [--batch 512] [--types bf16] [--peers eager,compiled] [--seconds 1]
                  [--budget S] [--no-ours] [--json FILE]

On the CPU both start from equal weights and must agree on the embeddings of the first step and on the loss of three
steps. Then the programs run in turn, `rounds` times; PyTorch in both memory layouts, of which the faster counts.

On a GPU both run whole steps with a head of --classes classes, PyTorch with AMP and channels_last (peer_torch_cuda.py says
how); rows are printed and written as they come. --no-ours leaves out our program. Exit status 77 without a GPU.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from comparison import run_json  # noqa: E402


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    ap.add_argument("--bench", default="", help="our program")
    ap.add_argument("--python", default=sys.executable)
    ap.add_argument("--arch", default="")
    ap.add_argument("--batch", default="")
    ap.add_argument("--json", default="")
    cpu = ap.add_argument_group("--device cpu")
    cpu.add_argument("--threads", type=int, default=2)
    cpu.add_argument("--steps", type=int, default=5)
    cpu.add_argument("--rounds", type=int, default=3)
    gpu = ap.add_argument_group("--device cuda")
    gpu.add_argument("--types", default="bf16")
    gpu.add_argument("--peers", default="eager,compiled", help="of eager, compiled, reduce-overhead")
    gpu.add_argument("--peer-head", choices=["arcface", "qcface"], default="arcface")
    gpu.add_argument("--peer-device", choices=["cuda", "cpu"], default="cuda", help="cpu: a trial without a GPU")
    gpu.add_argument("--classes", type=int, default=93431)
    gpu.add_argument("--side", type=int, default=112)
    gpu.add_argument("--width", type=int, default=512)
    gpu.add_argument("--seconds", type=float, default=1)
    gpu.add_argument("--budget", type=float, default=1e6, help="seconds after which everything has ended")
    gpu.add_argument("--no-ours", action="store_true")
    args = ap.parse_args()
    args.arch = args.arch or ("ir18" if args.device == "cpu" else "ir18,ir50,ir100")
    args.batch = args.batch or ("16" if args.device == "cpu" else "512")
    return args


class CpuComparison:
    def __init__(self, args):
        self.args = args
        self.peer = [args.python, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_torch.py")]
        self.shape = ["--arch", args.arch, "--batch", args.batch, "--threads", str(args.threads)]
        self.env = dict(os.environ, OMP_NUM_THREADS=str(args.threads))

    def run(self, command, *extra):
        return run_json(command + self.shape + list(extra), self.env)[-1]

    def agree(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in ("ours.json", "torch.json")]
            for command, file in zip(([self.args.bench], self.peer), files):
                self.run(command, "--steps", "3", "--warmup", "0", "--check", file)
            ours, torch = (json.load(open(f)) for f in files)
        a, b = ours["embeddings"], torch["embeddings"]
        spread = statistics.pstdev(b)
        worst = max(abs(x - y) for x, y in zip(a, b)) / spread
        print("first embeddings: largest difference %.1e of their standard deviation" % worst)
        print("loss of 3 steps: ours %s, torch %s" % tuple(["%.6f" % v for v in r["loss"]] for r in (ours, torch)))
        assert len(a) == len(b) and worst < 1e-3, "the two do not compute the same embeddings"
        scale = max(abs(v) for v in torch["loss"]) + 1e-3
        assert all(abs(x - y) < 2e-2 * scale for x, y in zip(ours["loss"], torch["loss"])), "the losses part"

    def compare(self):
        args, batch = self.args, int(self.args.batch)
        self.agree()
        contenders = {"qcface": ([args.bench], []), "torch nchw": (self.peer, ["--layout", "nchw"]),
                      "torch nhwc": (self.peer, ["--layout", "nhwc"])}
        times, last = {name: [] for name in contenders}, {}
        for _ in range(args.rounds):
            for name, (command, extra) in contenders.items():
                last[name] = self.run(command, "--steps", str(args.steps), *extra)
                times[name] += last[name]["step_seconds"]
        rates = {name: batch / statistics.median(t) for name, t in times.items()}
        for name, t in times.items():
            q = statistics.quantiles(t if len(t) > 1 else t * 2, n=5)
            print("%-11s %6.2f images/s (p20 %.2f, p80 %.2f)" % (name, rates[name], batch / q[3], batch / q[0]))
        best = max(rates["torch nchw"], rates["torch nhwc"])
        ratio = rates["qcface"] / best
        print("%s batch %d, %d threads, %s: qcface %.2f images/s is %.2f times %s's %.2f; activations %.0f MiB" % (
            args.arch, batch, args.threads, last["qcface"]["backend"], rates["qcface"], ratio, last["torch nchw"]["program"],
            best, last["qcface"]["plan_peak_mib"]))
        if args.json:
            json.dump(dict(rates=rates, ratio=ratio, times=times, last=last), open(args.json, "w"), indent=1)


def main():
    args = parse()
    if args.device == "cuda":
        from compare_cuda import compare
        return compare(args, " ".join(["compare.py"] + sys.argv[1:]))
    if not args.bench:
        sys.exit("compare.py: --bench PROGRAM is missing")
    CpuComparison(args).compare()
    return 0


if __name__ == "__main__":
    sys.exit(main())
