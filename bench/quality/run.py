#!/usr/bin/env python3
"""Trains every head from the same start with the same budget on real faces and measures, on people that no run has seen, what
its magnitude says about a picture: the tables and figures of docs/recognizability.md.

usage: run.py --program build/dev/bin/qcface --data cfp_112 --lfw lfw_112 --pairs lfw_pairs.txt --out FOLDER
              [--heads qcface,arcface,...] [--seeds 1,2,3] [--epochs 14] [--arch mini] [--device cpu] [--jobs 1] ...

--data   a folder a person, aligned 112 x 112, pictures named frontal_* and profile_*; the last --held-out people are kept back
--lfw    LFW aligned alike, and --pairs its View 2 list
FOLDER keeps every run: a call that was stopped goes on, and further heads or seeds are added to those that are there.
The same start: of each seed --start-epochs of plain softmax on pictures and their mirror images, from which every head goes on, with
the class weights, the same order of pictures and the same augmentation (0: every head from the same random weights). Results are written to
FOLDER/quality.json, which tables.py turns into tables and figures; it is written anew after every run.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from comparison import processor  # noqa: E402

HEADS = "qcface,qcface-cur,qcface-mv,magface,adaface,arcface,softmax"
POSES = ("frontal", "profile")
START_AUGMENT = "hflip:0.5"


def call(command, log):
    with open(log, "a") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit("%s\nfailed with %d; see %s" % (" ".join(command), done.returncode, log))


def link_people(source, people, target, prefix=""):
    """target/<person> with links to those pictures of each person whose names begin with prefix."""
    for person in people:
        os.makedirs(os.path.join(target, person), exist_ok=True)
        for name in sorted(os.listdir(os.path.join(source, person))):
            link = os.path.join(target, person, name)
            if name.startswith(prefix) and not os.path.lexists(link):
                os.symlink(os.path.join(os.path.abspath(source), person, name), link)


def prepare(options):
    """Training folder, the held-out people's frontal and profile pictures, the degradation series."""
    people = sorted(os.listdir(options.data))
    held_out = people[len(people) - options.held_out:]
    out = options.out
    os.makedirs(os.path.join(out, "logs"), exist_ok=True)
    link_people(options.data, people[:len(people) - options.held_out], os.path.join(out, "train"))
    for pose in POSES:
        link_people(options.data, held_out, os.path.join(out, pose), pose)
    if not os.path.exists(os.path.join(out, "series", "levels.csv")):
        call([options.program, "data", "degrade", "--data", options.lfw, "--out", os.path.join(out, "series"), "--sources",
              str(options.sources), "--seed", "1"], os.path.join(out, "logs", "series.log"))


def train(options, name, head, seed, epochs, lr, augment, start=None):
    """Trains to the end, from where an earlier call was stopped; returns the folder and its last checkpoint."""
    run = os.path.join(options.out, "runs", name)
    last = os.path.join(run, "last.safetensors")
    if os.path.exists(last):
        return run, last
    command = [options.program, "train", "--arch", options.arch, "--embed_dims", str(options.embed_dims), "--loss_model", head,
               "--phase", "norm", "--data_dirs", os.path.join(options.out, "train"), "--batch-size", str(options.batch_size),
               "--epochs", str(epochs), "--lr", str(lr), "--lr-schedule", "cosine", "--warmup-steps",
               str(options.warmup_steps), "--weight-decay", "5e-4", "--dropout", "0", "--augment", augment, "--workers",
               str(options.workers), "--threads", str(options.threads), "--seed", str(seed), "--device", options.device,
               "--no-report", "--keep-last", "1", "--pth-save-fold", run]
    if start:
        command += ["--weight_path", start, "--head", "keep"]
    if head.startswith("qcface"):
        command += ["--lambda_g", str(options.lambda_g)]
    if options.precision:
        command += ["--precision", options.precision]
    if os.path.isdir(os.path.join(run, "checkpoints")):
        command = [options.program, "train", "--resume", run]
    call(command, os.path.join(options.out, "logs", name + ".log"))
    steps = sorted((f for f in os.listdir(os.path.join(run, "checkpoints")) if f.startswith("step-")),
                   key=lambda f: int(f[5:].split(".")[0]))
    os.link(os.path.join(run, "checkpoints", steps[-1]), last)
    return run, last


def area_under_roc(higher, lower):
    """P(a value of `higher` > a value of `lower`), ties half."""
    ranked = sorted([(v, 1) for v in higher] + [(v, 0) for v in lower])
    wins, seen, i = 0.0, 0, 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        ups = sum(kind for _, kind in ranked[i:j])
        wins += ups * (seen + 0.5 * (j - i - ups))
        seen += j - i - ups
        i = j
    return wins / (len(higher) * len(lower))


def measure(options, head, seed, run, weights):
    out = os.path.join(run, "measured")
    log = os.path.join(options.out, "logs", "%s-%d.log" % (head, seed))
    machine = ["--device", options.device, "--threads", str(options.threads), "--workers", str(options.workers)]
    shared = ["--weights", weights, "--data", options.lfw, "--pairs", options.pairs, "--cache", os.path.join(run, "cache"),
              "--out", out] + machine
    folder = options.out
    if not os.path.exists(os.path.join(out, "quality.json")):
        call([options.program, "eval", "verify"] + shared, log)
        for pose in POSES:
            call([options.program, "embed", "--weights", weights, "--data", os.path.join(folder, pose), "--out",
                  os.path.join(out, pose)] + machine, log)
        call([options.program, "eval", "quality", "--variant", "fixed", "--fmr", "0.01", "0.001", "--levels",
              os.path.join(folder, "series")] + shared, log)
    with open(os.path.join(out, "verify.json")) as f:
        verify = json.load(f)
    with open(os.path.join(out, "quality.json")) as f:
        quality = json.load(f)
    with open(os.path.join(run, "metrics.jsonl")) as f:
        training = [json.loads(line) for line in f]
    return {"head": head, "seed": seed, "verify": verify, "quality": quality, "training": training, "out": out}


def summary(found):
    """The figures of one run, out of its result files."""
    quality, verify = found["quality"], found["verify"]
    kinds = {k["kind"]: k for k in quality["degradation"]["kinds"]}
    curves = {}
    with open(os.path.join(found["out"], "erc.csv"), newline="") as f:
        for row in csv.DictReader(f):
            curves.setdefault("%g" % float(row["fmr"]), []).append([float(row["reject"]), float(row["fnmr"])])
    poses = {}
    for pose in POSES:
        with open(os.path.join(found["out"], pose, "magnitudes.csv"), newline="") as f:
            poses[pose] = [float(row["magnitude"]) for row in csv.DictReader(f)]
    return {
        "head": found["head"], "seed": found["seed"],
        "accuracy": verify["cosine"]["accuracy_mean"], "auc": verify["cosine"]["auc"],
        "ercs": [{"fmr": c["fmr"], "fnmr": c["fnmr_at_zero"], "normalised": c["partial"][0]["normalised"],
                  "area": c["partial"][0]["area"]} for c in quality["curves"]],
        "erc_points": curves,
        "spearman": {name: k["spearman_source_mean"] for name, k in kinds.items()},
        "levels": {name: [[s["level"], s["q1"], s["median"], s["q3"]] for s in k["levels"]] for name, k in kinds.items()},
        "spearman_genuine": quality["correlation"][0]["spearman"],
        "frontal_over_profile": area_under_roc(poses["frontal"], poses["profile"]),
        "pose_medians": {pose: statistics.median(values) for pose, values in poses.items()},
        "z_mean": quality["sets"][0]["mean"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "data", "lfw", "pairs", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--heads", default=HEADS)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--start-epochs", type=int, default=4)
    parser.add_argument("--arch", default="mini")
    parser.add_argument("--embed-dims", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--start-lr", type=float, default=0.02)
    parser.add_argument("--lambda-g", type=float, default=1.0)
    parser.add_argument("--warmup-steps", type=int, default=100)
    parser.add_argument("--augment", default="aligned")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--held-out", type=int, default=50, help="people kept back from the training")
    parser.add_argument("--sources", type=int, default=150, help="LFW pictures of the degradation series")
    options = parser.parse_args()
    prepare(options)
    wanted = [(head, int(seed)) for seed in options.seeds.split(",") for head in options.heads.split(",") if head]
    result_path = os.path.join(options.out, "quality.json")
    results = {}
    if os.path.exists(result_path):
        with open(result_path) as f:
            results = {(r["head"], r["seed"]): r for r in json.load(f)["runs"]}

    starts = {}
    if options.start_epochs:
        for seed in map(int, options.seeds.split(",")):
            starts[seed] = train(options, "start-%d" % seed, "softmax", seed, options.start_epochs, options.start_lr,
                                 START_AUGMENT)[1]

    def one(item):
        begin = time.time()
        head, seed = item
        run, weights = train(options, "%s-%d" % item, head, seed, options.epochs, options.lr, options.augment,
                             starts.get(seed))
        return item, summary(measure(options, *item, run, weights)), time.time() - begin

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(one, item) for item in wanted]):
            item, figures, seconds = done.result()
            print("%s, seed %d: %.0f s; accuracy %.2f %%, Spearman %s" % (
                item[0], item[1], seconds, 100 * figures["accuracy"],
                ", ".join("%s %+.2f" % s for s in figures["spearman"].items())), flush=True)
            results[item] = figures
            settings = {k: v for k, v in sorted(vars(options).items())
                        if k not in ("program", "data", "lfw", "pairs", "out", "heads", "seeds", "jobs")}
            with open(result_path + ".new", "w") as f:
                json.dump({"processor": processor(), "cores": os.cpu_count(), "settings": settings,
                           "runs": [results[key] for key in sorted(results)]}, f, indent=1)
            os.replace(result_path + ".new", result_path)


if __name__ == "__main__":
    main()
