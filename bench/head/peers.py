#!/usr/bin/env python3
"""The heads of qcface against what people run today: same inputs, same threads or GPU, programs taking turns.

usage: peers.py --program build/bench/bin/qcface_bench_head [--python python3] [--device cpu|cuda] [--rounds 3]
                [--n 64 --d 512 --k 93431,... --threads 2] [--heads all] [--types f32] [--peers all] [--seconds 2]
                [--json FILE]

Peers, all measured as loss, dx and dw (forward and backward):

    torch-eager    the published form of the qcface heads: every intermediate is an [N, K] tensor that autograd keeps
    torch-compile  the same under torch.compile
    insightface    ArcFace and CosFace with materialised logits, the target shifted without gradients of the angle, as
                   InsightFace's trainer does; softmax with materialised logits
    liger          Liger kernel's fused linear cross-entropy: the softmax head without [N, K] logits; Triton, GPU
    cut-cross-entropy  Apple's: likewise; Triton, GPU
    torch-products the four bare products (cosines twice, vectors, dW) in torch

What cannot run here is listed with its reason. --python names an interpreter with torch and numpy (PyPI's will do).
Every peer runs in a process of its own; its loss must agree with qcface's before anything is reported. A 16-bit type
means autocast for the peers and 16-bit operands (GPU) for qcface. Times are over the samples of all rounds. Memory is
what a step needs beyond x, w, dx and dw. The JSON has the schema of qcface_bench_head's.
"""
import argparse
import datetime
import json
import math
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from comparison import processor, run_json  # noqa: E402

QCFACE = ("qcface", "qcface-cur", "qcface-mv")
PEERS = {"torch-eager": QCFACE, "torch-compile": QCFACE, "insightface": ("arcface", "cosface", "softmax"),
         "liger": ("softmax",), "cut-cross-entropy": ("softmax",), "torch-products": ("products",)}
MODULES = {"liger": "liger_kernel", "cut-cross-entropy": "cut_cross_entropy"}


# ---- one peer, in its own process; only this half imports torch ----

def one_peer(a):
    import numpy as np
    import torch
    import torch.nn.functional as F

    def mix(h):
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        return h ^ (h >> np.uint32(16))

    def fill(seed, rows, columns):
        """The values of qcface_bench_head."""
        with np.errstate(over="ignore"):
            h = mix(np.arange(rows * columns, dtype=np.uint32) ^ mix(np.array([seed], dtype=np.uint32)))
        v = ((h >> np.uint32(8)).astype(np.int32) - (1 << 23)).astype(np.float32) * np.float32(2.0 ** -23)
        return torch.from_numpy(v).reshape(rows, columns).to(a.device)

    class Published(torch.nn.Module):
        """The qcface heads in the published style, sound where the published code is not (see docs/math.md section 10): the
        guidance pairs row with row, hard means above the row's own margin. Weights [D, K] as published."""

        def __init__(self, weight, head, s=64.0, m=0.5, ua=100.0, la=1.0, eps=1e-3, mv_a=1.12):
            super().__init__()
            self.weight = torch.nn.Parameter(weight)
            self.head, self.s, self.m, self.a = head, s, m, mv_a
            self.ua, self.la, self.eps = ua, la, eps
            self.k = (ua / la) ** 2 * (ua + 3 * la) / (3 * ua + la)
            self.register_buffer("t", torch.zeros(1, device=weight.device))

        def guidance(self, z, p):
            k, ua, la, eps = self.k, self.ua, self.la, self.eps
            f = lambda v: k * p * (1 / (v + eps) + v / ua ** 2) + (1 - p) * (1 / (v + eps) + v / la ** 2)
            best = torch.sqrt((1 + (k - 1) * p) / (1 / la ** 2 + (k / ua ** 2 - 1 / la ** 2) * p + eps)).detach()
            return (f(z) - f(best)).mean()

        def forward(self, x, label):
            z = torch.norm(x, 2, 1, keepdim=True)
            cosine = torch.mm(F.normalize(x), F.normalize(self.weight, dim=0)).float().clamp(-1, 1)
            sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(min=1e-9))
            margin = cosine * math.cos(self.m) - sine * math.sin(self.m)
            if self.head == "qcface-cur":
                fallback = torch.where(cosine > math.cos(math.pi - self.m), margin,
                                       cosine - math.sin(math.pi - self.m) * self.m)
            else:
                fallback = torch.where(cosine > 0, margin, cosine)
            negative = cosine
            if self.head != "qcface":
                target = cosine.gather(1, label.view(-1, 1))
                hard = cosine > margin.gather(1, label.view(-1, 1))
                if self.head == "qcface-cur":
                    with torch.no_grad():
                        self.t = target.mean() * 0.01 + 0.99 * self.t
                    negative = torch.where(hard, cosine * (self.t + cosine), cosine)
                else:
                    negative = torch.where(hard, self.a * cosine + self.a - 1.0, cosine)
            one_hot = torch.zeros_like(cosine)
            one_hot.scatter_(1, label.view(-1, 1), 1.0)
            output = (one_hot * fallback + (1.0 - one_hot) * negative) * self.s
            loss_id = F.cross_entropy(output, label)
            p = torch.softmax(cosine * self.s, 1).gather(1, label.view(-1, 1)).detach()
            return loss_id + self.guidance(z, p), loss_id

    class Materialised(torch.nn.Module):
        """InsightFace's way: logits [N, K], the target's entry moved in place without a gradient of its own."""

        def __init__(self, weight, head):
            super().__init__()
            self.weight, self.head = torch.nn.Parameter(weight), head

        def forward(self, x, label):
            logits = F.linear(F.normalize(x), F.normalize(self.weight)).float().clamp(-1, 1)
            if self.head != "softmax":
                with torch.no_grad():
                    rows = torch.arange(len(label), device=label.device)
                    c = logits[rows, label]
                    moved = torch.cos(torch.acos(c) + 0.5) if self.head == "arcface" else c - 0.35
                    logits[rows, label] = moved
            loss = F.cross_entropy(logits * 64.0, label)
            return loss, loss

    class FusedLinear(torch.nn.Module):
        """A fused linear cross-entropy on unit rows: what a language model's last layer uses."""

        def __init__(self, weight, peer):
            super().__init__()
            self.weight = torch.nn.Parameter(weight)
            if peer == "liger":
                from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
                fused = LigerFusedLinearCrossEntropyLoss()
                self.fused = lambda x, w, label: fused(w, x, label)
            else:
                from cut_cross_entropy import linear_cross_entropy
                self.fused = linear_cross_entropy

        def forward(self, x, label):
            xh, wh = F.normalize(x) * 64.0, F.normalize(self.weight)
            if a.type != "f32":
                narrow = dict(bf16=torch.bfloat16, f16=torch.float16)[a.type]
                xh, wh = xh.to(narrow), wh.to(narrow)
            loss = self.fused(xh, wh, label).float()
            return loss, loss

    def status_kib(field):
        with open("/proc/self/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0

    torch.set_num_threads(a.threads)
    cuda = a.device == "cuda"
    x = fill(1, a.n, a.d)
    label = torch.tensor([(i * 7919) % a.k for i in range(a.n)], device=a.device)

    def make(classes):
        w = fill(2, a.k, a.d)[:classes].contiguous()
        if a.peer.startswith("torch-"):
            module = Published(w.t().contiguous(), a.head)
            if a.peer == "torch-compile":
                module.compile()
        elif a.peer == "insightface":
            module = Materialised(w, a.head)
        else:
            module = FusedLinear(w, a.peer)
        return module

    def step_of(module, labels):
        xx = x.clone().requires_grad_(True)

        def step():
            module.weight.grad = None
            xx.grad = None
            with torch.autocast(a.device, dtype=dict(f16=torch.float16).get(a.type, torch.bfloat16),
                                enabled=a.type != "f32"):
                loss, loss_id = module(xx, labels)
            loss.backward()
            return loss_id.detach()
        return step

    out = dict(torch=torch.__version__, threads=a.threads)
    if cuda:
        out.update(device_name=torch.cuda.get_device_name(), cuda=torch.version.cuda)
    if a.peer == "torch-products":
        narrow = dict(f32=torch.float32, bf16=torch.bfloat16, f16=torch.float16)[a.type]
        xd, w, g = x.to(narrow), fill(2, a.k, a.d).to(narrow), fill(3, a.n, a.k).to(narrow)
        step = lambda: (torch.mm(xd, w.t()), torch.mm(g, w), torch.mm(xd, w.t()), torch.mm(g.t(), xd))
    elif a.memory:
        # libraries, threads and compiled code come up on a small problem first, so that they are not counted
        step_of(make(min(a.k, 512)), label % min(a.k, 512))()
        module = make(a.k)
        step = step_of(module, label)
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            step()
            torch.cuda.synchronize()
            grown = torch.cuda.max_memory_allocated() - before
        else:
            with open("/proc/self/clear_refs", "w") as f:
                f.write("5")
            before = status_kib("VmRSS")
            step()
            grown = (status_kib("VmHWM") - before) * 1024
        out["extra_bytes"] = max(0, grown - 4 * a.k * a.d - 4 * a.n * a.d)
        print(json.dumps(out))
        return
    else:
        step = step_of(make(a.k), label)
        out["loss_id"] = float(step())
    size = 64 << 20
    if cuda:
        size = 2 * getattr(torch.cuda.get_device_properties(0), "L2_cache_size", size)
    else:
        try:
            size = max(size, 2 * os.sysconf("SC_LEVEL3_CACHE_SIZE"))
        except (OSError, ValueError):
            pass
    scratch = torch.zeros(size, dtype=torch.uint8, device=a.device)

    def sample():
        scratch.add_(1)  # cold caches, as in qcface_bench_head
        if cuda:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            step()
            end.record()
            end.synchronize()
            return begin.elapsed_time(end), 0.0
        cpu, start = time.process_time(), time.perf_counter()
        step()
        return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3

    begin = time.perf_counter()
    while True:
        sample()
        if time.perf_counter() - begin > 0.3:
            break
    samples, begin = [], time.perf_counter()
    while len(samples) < 400 and (len(samples) < 5 or time.perf_counter() - begin < a.seconds):
        samples.append(sample())
    out.update(samples_ms=[round(s[0], 6) for s in samples], cpu_ms=sum(s[1] for s in samples) / len(samples))
    print(json.dumps(out))


# ---- the comparison ----

def can_run(peer, a):
    """None, or why not."""
    module = MODULES.get(peer)
    if module is None:
        return None
    if a.device != "cuda":
        return "needs Triton on a GPU, and this run is on the CPU"
    found = subprocess.run([a.python, "-c", "import %s" % module], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return None if found.returncode == 0 else "cannot be imported: " + (found.stderr.strip().splitlines() or ["?"])[-1]


def quantile(samples, q):
    ordered = sorted(samples)
    return ordered[math.floor(q * (len(ordered) - 1) + 0.5)]


def row_of(implementation, head, kind, a, k, runs, extra):
    samples = [ms for r in runs for ms in r["samples_ms"]]
    flops, elements = 8.0 * a.n * a.d * k, 1.0 * k * a.d
    median = quantile(samples, 0.5)
    row = dict(implementation=implementation, head=head, type=kind, update="dw", n=a.n, d=a.d, k=k, samples=len(samples),
               ms_median=median, ms_p20=quantile(samples, 0.2), ms_p80=quantile(samples, 0.8),
               gflops=flops / median * 1e-6, gbytes_per_s=3 * elements * (4 if kind == "f32" else 8 / 3) / median * 1e-6)
    cpu = [r["cpu_ms"] for r in runs if r.get("cpu_ms")]
    if cpu:
        row["cpu_ms"] = quantile(cpu, 0.5)
    if extra is not None:
        row["extra_bytes"] = extra
    for name in ("loss_id", "workspace_bytes", "phase", "error", "plan"):
        if name in runs[0]:
            row[name] = runs[0][name]
    row["samples_ms"] = samples
    return row


def compare(a):
    here = os.path.abspath(__file__)
    heads = [h for p in a.peers for h in PEERS[p] if h != "products"]
    heads = [h for h in dict.fromkeys(heads) if a.heads == ["all"] or h in a.heads]
    left_out, runnable = [], []
    for peer in a.peers:
        reason = can_run(peer, a)
        (left_out.append("%s: %s" % (peer, reason)) if reason else runnable.append(peer))
    rows, facts, header = [], {}, {}
    print("%12s %-18s %-5s %9s %10s %21s %10s %10s %8s" % (
        "head", "implementation", "type", "K", "ms", "(p20-p80)", "cpu ms", "extra MiB", "faster"))

    def show(row, ours):
        print("%12s %-18s %-5s %9d %10.1f %21s %10s %10s %8s" % (
            row["head"], row["implementation"], row["type"], row["k"], row["ms_median"],
            "(%.1f-%.1f)" % (row["ms_p20"], row["ms_p80"]), "%.1f" % row["cpu_ms"] if "cpu_ms" in row else "-",
            "%.1f" % (row["extra_bytes"] / 2 ** 20) if "extra_bytes" in row else "-",
            "%.2fx" % (row["ms_median"] / ours["ms_median"]) if ours else ""), flush=True)

    def peer_run(peer, head, kind, k, *more):
        return run_json([a.python, here, "--one", peer, "--head", head, "--type", kind, "--device", a.device, "--n", str(a.n),
                         "--d", str(a.d), "--k", str(k), "--threads", str(a.threads), "--seconds", str(a.seconds), *more])[-1]

    for k in a.k:
        for kind in a.types:
            for head in heads + ["products"]:
                peers = [p for p in runnable if head in PEERS[p]]
                ours, runs = [], {p: [] for p in peers}
                refused = {}
                for _ in range(a.rounds):
                    if head != "products":
                        command = [a.program, "--heads", head, "--n", str(a.n), "--d", str(a.d), "--k", str(k), "--types", kind,
                                   "--seconds", str(a.seconds), "--dw", "--no-products", "--json", "-"]
                        command += ["--plans", a.plan] if a.device == "cuda" else ["--threads", str(a.threads)]
                        header = run_json(command)[-1]
                        if not header["rows"]:
                            sys.exit("peers.py: %s: %s" % (head, header["left_out"]))
                        ours.append(header["rows"][0])
                    for p in peers:
                        if p in refused:
                            continue
                        try:
                            runs[p].append(peer_run(p, head, kind, k))
                        except SystemExit as e:
                            refused[p] = str(e).strip().splitlines()[-1]
                mine = None
                if ours:
                    mine = row_of("qcface", head, kind, a, k, ours, ours[0].get("extra_bytes"))
                    rows.append(mine)
                    show(mine, None)
                for p in peers:
                    if p in refused:
                        left_out.append("%s %s %s K %d: %s" % (p, head, kind, k, refused[p]))
                        print("%12s %-18s left out: %s" % (head, p, refused[p]))
                        continue
                    facts = runs[p][0]
                    extra = None if head == "products" else peer_run(p, head, kind, k, "--memory")["extra_bytes"]
                    if mine:
                        difference = abs(mine["loss_id"] / runs[p][0]["loss_id"] - 1)
                        if not difference < (2e-4 if kind == "f32" else 2e-2):
                            sys.exit("peers.py: %s, %s: losses disagree: %r and %r" % (
                                head, p, mine["loss_id"], runs[p][0]["loss_id"]))
                    row = row_of(p, head, kind, a, k, runs[p], extra)
                    rows.append(row)
                    show(row, mine)
    for reason in left_out:
        print("left out: " + reason)
    if a.json:
        data = dict(schema=1, program="peers.py", command=" ".join([os.path.basename(sys.argv[0])] + sys.argv[1:]),
                    device=a.device, device_name=facts.get("device_name") or processor(), cuda=facts.get("cuda") or "",
                    libraries="%s; torch %s" % (header.get("libraries", "qcface"), facts.get("torch", "none")),
                    threads=a.threads, cache="cold", commit=header.get("commit", "unknown"),
                    date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    load_at_end=os.getloadavg()[0], left_out=left_out, rows=rows)
        with open(a.json, "w") as f:
            json.dump(data, f, indent=1)


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    ap.add_argument("--program")
    ap.add_argument("--python", default=sys.executable)
    ap.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--n", type=int, default=64)
    ap.add_argument("--d", type=int, default=512)
    ap.add_argument("--k", default="93431")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--heads", default="all")
    ap.add_argument("--types", default="f32")
    ap.add_argument("--plan", default="auto", help="of qcface on a GPU")
    ap.add_argument("--peers", default="all")
    ap.add_argument("--seconds", type=float, default=2)
    ap.add_argument("--json")
    ap.add_argument("--one", dest="peer", help=argparse.SUPPRESS)  # the rest: one peer in this process
    ap.add_argument("--head", help=argparse.SUPPRESS)
    ap.add_argument("--type", help=argparse.SUPPRESS)
    ap.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.peer:
        a.k = int(a.k)
        return one_peer(a)
    if not a.program:
        ap.error("--program is needed")
    a.k = [int(k) for k in a.k.split(",")]
    a.heads, a.types = a.heads.split(","), a.types.split(",")
    a.peers = list(PEERS) if a.peers == "all" else a.peers.split(",")
    unknown = [p for p in a.peers if p not in PEERS]
    if unknown:
        ap.error("unknown peer %s: expected some of %s" % (unknown[0], ", ".join(PEERS)))
    compare(a)


if __name__ == "__main__":
    main()
