"""The table of compare.py --device cuda: training steps of qcface beside PyTorch's, one program at a time."""
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NO_GPU = 77


def quantile(samples, q):
    """Nearest-rank, as bench/timing.h."""
    ordered = sorted(samples)
    return ordered[int(q * (len(ordered) - 1) + 0.5)]


class Report:
    """Rows, a table and a file that is whole after every row."""

    def __init__(self, path, command):
        self.path, self.rows, self.left_out = path, [], []
        self.head = dict(schema=1, program="bench/step/compare.py", command=command, device="cuda", device_name="",
                         driver="", cuda="", libraries="", threads=0, commit="unknown")
        print("%-22s %-6s %-5s %6s %10s %20s %10s %9s" % (
            "implementation", "arch", "type", "batch", "ms", "(p20-p80)", "images/s", "MiB"))

    def add(self, row):
        self.rows.append(row)
        spread = "(%.2f-%.2f)" % (row["ms_p20"], row["ms_p80"])
        print("%-22s %-6s %-5s %6d %10.2f %20s %10.0f %9.0f" % (
            row["implementation"], row["arch"], row["type"], row["n"], row["ms_median"], spread, row["images_per_s"],
            row.get("extra_bytes", 0) / 2 ** 20), flush=True)
        self.write()

    def miss(self, what, why):
        self.left_out.append("%s: %s" % (what, why))
        print(self.left_out[-1], flush=True)
        self.write()

    def write(self):
        if not self.path:
            return
        date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        with open(self.path + ".part", "w") as f:
            json.dump(dict(self.head, date=date, left_out=self.left_out, rows=self.rows), f, indent=1)
        os.replace(self.path + ".part", self.path)


def peer_row(args, peer, arch, batch, kind, limit):
    """A row, or the reason why there is none."""
    command = [args.python, os.path.join(HERE, "peer_torch_cuda.py"), "--mode", peer, "--arch", arch, "--batch", str(batch),
               "--type", kind, "--seconds", str(args.seconds), "--head", args.peer_head, "--classes", str(args.classes),
               "--side", str(args.side), "--width", str(args.width), "--device", args.peer_device]
    if args.seconds == 0:
        command += ["--warmup", "0", "--samples-min", "2"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return "not finished within --budget"
    if done.returncode != 0:
        last = [line for line in done.stderr.splitlines() if line.strip()]
        return last[-1] if last else "exit status %d" % done.returncode
    row = json.loads(done.stdout.splitlines()[-1])
    samples = row["samples_ms"]
    row.update(implementation="torch " + peer, ms_median=quantile(samples, 0.5), ms_p20=quantile(samples, 0.2),
               ms_p80=quantile(samples, 0.8), images_per_s=1e3 * batch / quantile(samples, 0.5))
    return row


def our_rows(args, report, arch, batch, kind, limit):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "ours.json")
        command = [args.bench, "--arch", arch, "--batch", str(batch), "--types", kind, "--seconds", str(args.seconds),
                   "--classes", str(args.classes), "--side", str(args.side), "--width", str(args.width), "--json", file]
        if args.seconds == 0:
            command += ["--warmup", "0", "--samples-min", "2"]
        try:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return "not finished within --budget"
        if done.returncode == NO_GPU:
            print(done.stderr.strip(), file=sys.stderr)
            sys.exit(NO_GPU)
        if not os.path.exists(file):
            return done.stderr.strip() or "exit status %d" % done.returncode
        with open(file) as f:
            data = json.load(f)
    for name in ("device_name", "driver", "cuda", "libraries", "commit"):
        report.head[name] = data.get(name, report.head[name])
    for row in data["rows"]:
        report.add(row)
    return None if data["rows"] else "; ".join(data["left_out"])


def compare(args, command):
    if not args.no_ours and not args.bench:
        sys.exit("compare.py: --device cuda needs --bench PROGRAM, or --no-ours")
    report = Report(args.json, command)
    start = time.monotonic()
    left = lambda: args.budget - (time.monotonic() - start)
    contenders = ([] if args.no_ours else ["qcface"]) + args.peers.split(",")
    # The quick ones of every network before the slow ones of any: compilers may use up what is left.
    for batch in (int(b) for b in args.batch.split(",")):
        for kind in args.types.split(","):
            for who in contenders:
                for arch in args.arch.split(","):
                    name = "%s %s %s batch %d" % (who, arch, kind, batch)
                    if left() <= 0:
                        report.miss(name, "not started, --budget was used up")
                        continue
                    if who == "qcface":
                        reason = our_rows(args, report, arch, batch, kind, left())
                        if reason:
                            report.miss(name, reason)
                        continue
                    row = peer_row(args, who, arch, batch, kind, left())
                    if isinstance(row, str):
                        report.miss(name, row)
                        continue
                    report.head["device_name"] = report.head["device_name"] or row["device_name"]
                    report.head["cuda"] = report.head["cuda"] or row.get("cuda", "")
                    report.add(row)
    best = {}
    for row in report.rows:
        if row["implementation"] != "qcface":
            key = (row["arch"], row["type"], row["n"])
            best[key] = max(best.get(key, 0), row["images_per_s"])
    for row in report.rows:
        key = (row["arch"], row["type"], row["n"])
        if row["implementation"] == "qcface" and key in best:
            print("%s %s batch %d: qcface %.2f times the best PyTorch" % (*key, row["images_per_s"] / best[key]))
    report.write()
    return 0 if report.rows else 1
