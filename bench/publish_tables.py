"""The tables that bench/publish.py fills in, from the files in bench/results. A section is None where there is nothing to
say: the page then keeps what stands there."""

NAMES = {"ir18": "IR-18", "ir34": "IR-34", "ir50": "IR-50", "ir100": "IR-100"}
# Goals for one H100; on another GPU they are shown and not judged.
HEAD_GOALS_MS = {93431: 0.7, 1000000: 7, 2059906: 14}       # N 512, D 512, 16-bit operands, SGD fused
STEP_GOALS = {"ir18": 15000, "ir50": 8000, "ir100": 4700}  # images/s, batch 512, 16 bits
BOUND_GOAL, PEER_GOAL, PUBLISHED_GOAL = 1.25, 1.5, 8


def newest(results, kind):
    """For each GPU its newest run that has rows of this kind, in the order of names."""
    best = {}
    for found, data in results:
        if found == kind:
            key = data["run"]["gpu"]
            if key not in best or (data["run"]["date"], data["file"]) > (best[key]["run"]["date"], best[key]["file"]):
                best[key] = data
    return [best[gpu] for gpu in sorted(best)]


def machine(run):
    return "%s, driver %s, CUDA %s, cuDNN %s, cuBLASLt %s, commit %s, %s" % tuple(
        run.get(key) or "unknown" for key in ("gpu", "driver", "cuda", "cudnn", "cublaslt", "commit", "date"))


def table(columns, rows):
    """columns: (title, ':' for numbers or '')."""
    lines = ["| " + " | ".join(title for title, _ in columns) + " |",
             "|" + "|".join("---" + right for _, right in columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


class Runs:
    """Letters for the runs that rows are of, and the lines under a table that say what they stand for."""

    def __init__(self):
        self.lines = []

    def mark(self, data):
        line = "%s: `%s`, all rows in `bench/results/%s`" % (machine(data["run"]), data.get("command", ""), data["file"])
        if line not in self.lines:
            self.lines.append(line)
        return chr(ord("a") + self.lines.index(line))

    def text(self):
        return "\n".join("- %s: %s." % (chr(ord("a") + i), line) for i, line in enumerate(self.lines))


def number(value, digits=3):
    """At least `digits` significant digits, no exponent, thousands set apart."""
    if value is None:
        return ""
    size = abs(value)
    places = max(0, digits - 1 - (len(str(int(size))) - 1)) if size >= 1 else digits
    return "{:,.{}f}".format(value, places)


def spread(row):
    return "%s (%s to %s)" % (number(row["ms_median"]), number(row["ms_p20"]), number(row["ms_p80"]))


def judged(value, met, data=None):
    if data is not None and "H100" not in data["run"]["gpu"]:
        return value + " on an H100"
    return "%s, %s" % (value, "met" if met else "missed")


def percent(value):
    return "%.0f %%" % (100 * value) if value else ""


def mib(row, key):
    return number(row[key] / 2 ** 20) if row.get(key) else ""


# ---- heads ----

def head_goal(row):
    if row.get("type") == "f32" or row.get("update") != "sgd" or (row["n"], row["d"]) != (512, 512):
        return None
    return HEAD_GOALS_MS.get(row["k"])


def products_ms(row, data):
    found = [r["ms_median"] for r in data["rows"] if r.get("head") == "products" and
             all(r.get(k) == row.get(k) for k in ("type", "n", "d", "k"))]
    return found[0] if found else None


def bound(row, data):
    """Time over that of the bare products plus the optimiser's bytes."""
    products = products_ms(row, data)
    if not products or not row.get("optimiser_ms") or row.get("update") != "sgd":
        return None
    return row["ms_median"] / (products + row["optimiser_ms"])


def head_rows(data, runs):
    for row in data["rows"]:
        goal, limit = head_goal(row), bound(row, data)
        product = row.get("head") == "products"
        yield ["{:,}".format(row["k"]), "bare products, cuBLASLt" if product else row["head"], row["type"],
               row.get("plan", ""), spread(row), number(row.get("ms_calls")), number(row.get("host_us")),
               number(row.get("gflops", 0) / 1e3), percent(row.get("peak_share")), number(row.get("gbytes_per_s")),
               number(row.get("times_products")),
               judged(number(limit), limit <= BOUND_GOAL) if limit is not None else "",
               judged("%g ms" % goal, row["ms_median"] <= goal, data) if goal and not product else "",
               mib(row, "workspace_bytes"), mib(row, "extra_bytes"),
               "%.1e" % row["error"] if "error" in row else "", runs.mark(data)]


def head_table(files):
    if not files:
        return None
    runs = Runs()
    rows = [row for data in files for row in head_rows(data, runs)]
    columns = [("K", ":"), ("head", ""), ("type", ""), ("plan", ""), ("ms, graph (p20 to p80)", ":"), ("ms, calls", ":"),
               ("host, us", ":"), ("TFLOP/s", ":"), ("of peak", ":"), ("GB/s", ":"), ("/ products", ":"),
               ("/ (products + optimiser), goal %g" % BOUND_GOAL, ":"), ("goal", ""), ("workspace, MiB", ":"),
               ("extra, MiB", ":"), ("error", ":"), ("run", "")]
    sizes = sorted({(r["n"], r["d"]) for data in files for r in data["rows"]})
    return "Loss, dX and the update of the classes, %s.\n\n%s\n\n%s\n" % (
        "; ".join("N %d, D %d" % s for s in sizes), table(columns, rows), runs.text())


def head_peer_table(files):
    """The head beside what people run today: bench/head/peers.py."""
    if not files:
        return None
    runs, rows = Runs(), []
    for data in files:
        ours = {tuple(r[k] for k in ("head", "type", "n", "d", "k")): r for r in data["rows"] if r["implementation"] == "qcface"}
        for r in data["rows"]:
            own = ours.get(tuple(r[k] for k in ("head", "type", "n", "d", "k")))
            ratio = r["ms_median"] / own["ms_median"] if own and own is not r else None
            goal = r["implementation"] == "torch-eager" and ratio is not None
            rows.append(["{:,}".format(r["k"]), r["head"], r["type"], r["implementation"], spread(r), mib(r, "extra_bytes"),
                         (judged("%.2fx" % ratio, ratio >= PUBLISHED_GOAL, data) if goal else "%.2fx" % ratio) if ratio else "",
                         runs.mark(data)])
    columns = [("K", ":"), ("head", ""), ("type", ""), ("implementation", ""), ("ms (p20 to p80)", ":"), ("extra, MiB", ":"),
               ("against qcface, goal %gx for torch-eager" % PUBLISHED_GOAL, ":"), ("run", "")]
    return table(columns, rows) + "\n\n" + runs.text() + "\n" if rows else None


# ---- training steps ----

def best_peer(row, gpu, peers):
    """The fastest PyTorch configuration for the same network, type and batch on the same GPU."""
    same = [(r["images_per_s"], r, data) for data in peers if data["run"]["gpu"] == gpu for r in data["rows"]
            if r["implementation"].startswith("torch") and all(r[k] == row[k] for k in ("arch", "type", "n"))]
    return max(same, key=lambda s: s[0]) if same else None


def step_goal(row):
    return STEP_GOALS.get(row["arch"]) if row["n"] == 512 and row["type"] != "f32" else None


def step_table(files, peers):
    if not files and not peers:
        return None
    runs, rows = Runs(), []
    for data in files:
        for row in data["rows"]:
            if row["implementation"] != "qcface":
                continue
            goal, peer = step_goal(row), best_peer(row, data["run"]["gpu"], peers)
            part = lambda *names: number(sum(row[n] for n in names)) if all(n in row for n in names) else ""
            ratio = row["images_per_s"] / peer[0] if peer else None
            rows.append([NAMES.get(row["arch"], row["arch"]), row["type"], str(row["n"]), number(row["images_per_s"]),
                         spread(row), part("forward_ms"), part("head_ms", "head_update_ms"), part("backward_ms"),
                         part("update_ms"), mib(row, "extra_bytes"), number(row.get("floor_ms")),
                         percent(row.get("floor_share")),
                         "%s (%s)" % (number(peer[0]), peer[1]["implementation"]) if peer else "",
                         judged("%.2f" % ratio, ratio >= PEER_GOAL) if peer else "",
                         judged("{:,}".format(goal), row["images_per_s"] >= goal, data) if goal else "",
                         runs.mark(data) + (", " + runs.mark(peer[2]) if peer else "")])
    columns = [("network", ""), ("type", ""), ("batch", ":"), ("images/s", ":"), ("ms (p20 to p80)", ":"),
               ("forward", ":"), ("head", ":"), ("backward", ":"), ("update", ":"), ("memory, MiB", ":"),
               ("floor, ms", ":"), ("share", ":"), ("best PyTorch, images/s", ":"),
               ("ratio, goal %g" % PEER_GOAL, ":"), ("goal, images/s", ":"), ("run", "")]
    text = table(columns, rows) + "\n" if rows else ""
    peer_rows = [[r["implementation"], NAMES.get(r["arch"], r["arch"]), r["type"], str(r["n"]), number(r["images_per_s"]),
                  spread(r), mib(r, "extra_bytes"), r.get("head", ""), r.get("library", ""), runs.mark(data)]
                 for data in peers for r in data["rows"] if r["implementation"].startswith("torch")]
    if peer_rows:
        text += "\n" + table([("PyTorch", ""), ("network", ""), ("type", ""), ("batch", ":"), ("images/s", ":"),
                              ("ms (p20 to p80)", ":"), ("memory, MiB", ":"), ("head", ""), ("version", ""), ("run", "")],
                             peer_rows) + "\n"
    return text.lstrip("\n") + "\n" + runs.text() + "\n"


# ---- single convolutions ----

def convolution_table(files):
    if not files:
        return None
    runs, rows = Runs(), []
    for data in files:
        measured = [r for r in data["rows"] if isinstance(r.get("ms_median"), (int, float))]
        for r in sorted(measured, key=lambda r: [str(r.get(k)) for k in ("type", "shape", "kind", "implementation")]):
            rows.append([str(r.get("shape")), str(r.get("n")), str(r.get("type")), str(r.get("kind")),
                         str(r.get("implementation")), spread(r), number(r.get("gflops", 0) / 1e3), runs.mark(data)])
    columns = [("channels x side", ""), ("batch", ":"), ("type", ""), ("of", ""), ("by", ""), ("ms (p20 to p80)", ":"),
               ("TFLOP/s", ":"), ("run", "")]
    return table(columns, rows) + "\n\n" + runs.text() + "\n" if rows else None


# ---- scoring ----

def scoring_table(files):
    """Pairs, ROC and identification on the GPU beside the CPU of the same machine."""
    if not files:
        return None
    runs, rows = Runs(), []
    for data in files:
        for r in data["rows"]:
            rows.append([str(r.get("phase")), "{:,}".format(r["n"]), "{:,}".format(r["k"]) if r.get("k") else "", spread(r),
                         number(r.get("cpu_scorer_ms")), "%.1fx" % r["times_faster"] if r.get("times_faster") else "",
                         number(r.get("gflops", 0) / 1e3) if r.get("gflops") else "", number(r.get("gbytes_per_s")),
                         percent(r.get("limit_share")), runs.mark(data)])
    limits = "; ".join(sorted({"%s, %s" % (data.get("peak_source", ""), data.get("libraries", "")) for data in files}))
    columns = [("case", ""), ("N", ":"), ("K", ":"), ("GPU, ms (p20 to p80)", ":"), ("CPU, ms", ":"), ("faster", ":"),
               ("TFLOP/s", ":"), ("GB/s", ":"), ("of the limit", ":"), ("run", "")]
    return table(columns, rows) + "\n\nLimits " + limits + ".\n\n" + runs.text() + "\n" if rows else None


# ---- what ran, and the short tables ----

def state(files):
    if not files:
        return None
    text = ""
    for data in files:
        rows = [[s.get("name", "?"), str(s.get("result", "")), number(s["seconds"]) if s.get("seconds") else ""]
                for s in data["steps"]]
        text += "%s; `%s`, %s s:\n\n%s\n\n" % (
            machine(data["run"]), data["run"].get("command", ""), data["run"].get("seconds", "?"),
            table([("step", ""), ("result", ""), ("seconds", ":")], rows))
    return text


def named(files):
    return " and ".join("%s (commit %s, %s)" % (d["run"]["gpu"], d["run"]["commit"], str(d["run"]["date"])[:10]) for d in files)


def summary(heads, steps, peers):
    """README's rows: the fastest plan of the qcface head at each size, and the networks at batch 512."""
    runs, rows = Runs(), []
    best = {}
    for data in heads:
        for row in data["rows"]:
            goal = head_goal(row)
            key = (data["run"]["gpu"], row["k"])
            if goal and row["head"] == "qcface" and (key not in best or row["ms_median"] < best[key][0]["ms_median"]):
                best[key] = (row, data, goal)
    for (_, k), (row, data, goal) in sorted(best.items()):
        rows.append(["QCFace head, loss + dX + SGD, N 512, D 512, K {:,}, {}, plan {}".format(k, row["type"], row["plan"]),
                     "%s ms" % number(row["ms_median"]),
                     "bare products: %s ms" % number(products_ms(row, data)) if products_ms(row, data) else "",
                     judged("%g ms" % goal, row["ms_median"] <= goal, data), runs.mark(data)])
    for data in steps:
        for row in data["rows"]:
            goal = step_goal(row)
            if not goal:
                continue
            peer = best_peer(row, data["run"]["gpu"], peers)
            rows.append(["%s training step, batch 512, %s" % (NAMES.get(row["arch"], row["arch"]), row["type"]),
                         "%s images/s" % number(row["images_per_s"]),
                         "%s: %s images/s, %.2fx" % (peer[1]["implementation"], number(peer[0]),
                                                     row["images_per_s"] / peer[0]) if peer else "",
                         judged("{:,} images/s".format(goal), row["images_per_s"] >= goal, data),
                         runs.mark(data) + (", " + runs.mark(peer[2]) if peer else "")])
    if not rows:
        return None
    columns = [("what", ""), ("qcface", ""), ("beside it", ""), ("goal", ""), ("run", "")]
    return table(columns, rows) + "\n\n" + runs.text() + "\n"


def sections(results):
    """{marker: text or None}."""
    heads, plans = newest(results, "head"), newest(results, "head-plans")
    steps, peers, ran = newest(results, "step"), newest(results, "step-peers"), newest(results, "run")
    return {
        "head": head_table(heads + newest(results, "head-large")),
        "head-peers": head_peer_table(newest(results, "head-peers")),
        "plans": head_table(plans),
        "step": step_table(steps, peers),
        "convolutions": convolution_table(newest(results, "convolutions")),
        "scoring": scoring_table(newest(results, "scoring")),
        "ran": state(ran),
        "summary": summary(heads + plans, steps, peers),
        "note": "GPU figures are of %s, each with the commit it was measured at; goals stand beside them as goals." %
                named(ran) if ran else None,
        "state": "**State.** Every CUDA source compiles for sm_80 and sm_90a; every hand-written kernel runs in the tests on "
                 "the CPU. On a GPU ran: %s. What passed there is listed [below](#on-a-machine-with-a-gpu)." % named(ran)
                 if ran else None,
        "support": "- The CUDA code has run on %s; [docs/cuda.md](docs/cuda.md) says which tests passed there." % named(ran)
                   if ran else None,
    }
