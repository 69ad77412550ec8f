#!/usr/bin/env python3
"""Takes what tests/gpu/run.sh --out FOLDER left on a machine with a GPU into the project: bench/results/, the recorded
instructions under tests/data/instructions/, and the tables of docs/performance.md, docs/cuda.md and README.md.

usage: publish.py FOLDER [--root PROJECT] [--allow-modified]

Read from FOLDER: summary.json (needed), instructions.json, head.json, head-plans.json, step.json, step-peers.json,
convolutions.json; head-large.json, head-peers.json and scoring.json from its archive of logs too. Files may be absent, or cut off where a run was killed: whole rows are taken, and what is missing is said.
Each becomes bench/results/<gpu>-<commit>-<name>.json with the circumstances of the run in it. The tables stand between
markers such as <!-- gpu:head --> and <!-- /gpu:head -->; they are made from everything in bench/results, for each GPU from
its newest run that has such rows. Nothing else of a page is touched, and a second run changes nothing.

Refused, with exit status 1 and before anything is written: a summary without a GPU, a commit that is unknown or (without
--allow-modified) modified, files of another GPU or commit than the summary's, and a conformance test of the
instructions that did not pass or is not complete: figures of kernels whose instructions are wrong mean nothing.
"""
import argparse
import json
import lzma
import math
import os
import re
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import publish_tables  # noqa: E402

# Name in FOLDER -> name in bench/results.
ROW_FILES = {"head.json": "head", "head-plans.json": "head-plans", "step.json": "step", "step-peers.json": "step-peers",
             "convolutions.json": "convolutions", "head-large.json": "head-large", "head-peers.json": "head-peers",
             "scoring.json": "scoring"}
PAGES = ("docs/performance.md", "docs/cuda.md", "README.md")
RUN = ("gpu", "driver", "cuda", "cudnn", "cublaslt", "commit", "cores", "date", "seconds", "command")


class Refused(Exception):
    pass


def finite(value):
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(finite(v) for v in value)
    return all(finite(v) for v in value.values()) if isinstance(value, dict) else True


def salvage(text, member):
    """An object whose last member is a list that may be cut off: the whole elements, and whether any may be lost."""
    try:
        data = json.loads(text)
        if isinstance(data, dict) and isinstance(data.get(member), list):
            return data, False
    except ValueError:
        pass
    found = re.search(r',\s*"%s"\s*:\s*\[' % member, text)
    if not found:
        return None, True
    try:
        data = json.loads(text[:found.start()] + "}")
    except ValueError:
        return None, True
    data[member], at, decoder = [], found.end(), json.JSONDecoder()
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        try:
            element, at = decoder.raw_decode(text, at)
        except ValueError:
            return data, True
        data[member].append(element)


def text_of(folder, name):
    """The text of a file of the run: in FOLDER, among its logs or in their archive. None where there is none."""
    for path in (os.path.join(folder, name), os.path.join(folder, "logs", name)):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read()
    for archive in ("logs.tar.xz", "logs.tar.gz", "logs.tar"):
        try:
            with tarfile.open(os.path.join(folder, archive)) as logs:
                return logs.extractfile(name).read().decode("utf-8", errors="replace")
        except (OSError, KeyError, EOFError, tarfile.TarError, lzma.LZMAError):
            continue
    return None


def read(folder, name, member):
    """(data or None, what to say)."""
    text = text_of(folder, name)
    if text is None:
        return None, "%s is absent" % name
    data, cut = salvage(text, member)
    if data is None:
        return None, "%s is cut off before its first row" % name
    return data, "%s is cut off: %d whole rows were taken" % (name, len(data[member])) if cut else ""


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def check_summary(summary, say, allow_modified):
    if summary is None:
        raise Refused("%s; without it nobody knows what was measured" % say)
    if not summary.get("gpu"):
        raise Refused("summary.json names no GPU")
    commit = summary.get("commit") or "unknown"
    if not re.fullmatch(r"[0-9a-f]{7,40}(-modified)?", commit):
        raise Refused("commit '%s': figures are published only for a commit that can be found again; run from a checkout, or "
                      "with programs packed by tests/gpu/pack.sh" % commit)
    if commit.endswith("-modified") and not allow_modified:
        raise Refused("commit %s: the tree had changes that no commit holds; --allow-modified publishes all the same" % commit)


def check_conformance(folder, summary):
    """The text of the recorded instructions."""
    results = [s.get("result") for s in summary["steps"] if re.match(r"conformance\b", s.get("name", ""))]
    if not results:
        raise Refused("the conformance test of the instructions is not among the steps of summary.json: it must have run in "
                      "the same run as the figures")
    if any(r != "passed" for r in results):
        raise Refused("the conformance test of the instructions: %s; mend that first" % ", ".join(map(str, results)))
    try:
        with open(os.path.join(folder, "instructions.json"), encoding="utf-8") as f:
            text = f.read()
        data = json.loads(text)
        if not data["cases"] or not all(data["cases"].values()) or not finite(data["cases"]):
            raise ValueError("a case without values, or with values that are not finite")
        gpu = data["gpu"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as e:
        raise Refused("instructions.json, the record of the conformance test, is not complete: %s" % e)
    if gpu != summary["gpu"]:
        raise Refused("instructions.json is of %s, summary.json of %s" % (gpu, summary["gpu"]))
    return text


def check_rows(name, data, summary, allow_modified):
    device, commit = data.get("device_name"), str(data.get("commit"))
    if device and device != summary["gpu"]:
        raise Refused("%s is of %s, summary.json of %s" % (name, device, summary["gpu"]))
    # PyTorch's rows alone belong to no commit of ours.
    ours = [r for r in data["rows"] if not str(r.get("implementation", "")).startswith("torch")]
    if not ours or name == "convolutions.json":
        return
    if commit.split("-")[0] != summary["commit"].split("-")[0]:
        raise Refused("%s is of commit %s, summary.json of %s" % (name, commit, summary["commit"]))
    if commit.endswith("-modified") and not allow_modified:
        raise Refused("%s is of commit %s: --allow-modified publishes all the same" % (name, commit))


def whole_rows(data):
    """Rows that hold what the tables need; others are counted."""
    good = [r for r in data["rows"] if isinstance(r, dict) and isinstance(r.get("ms_median"), (int, float)) and finite(r)
            and r["ms_median"] > 0]
    return good, len(data["rows"]) - len(good)


def collect(folder, allow_modified):
    """Everything to be written, {path below the root: text}, and what to say. Writes nothing."""
    summary, say = read(folder, "summary.json", "steps")
    check_summary(summary, say, allow_modified)
    notes = [say] if say else []
    files = {}
    run = {key: summary.get(key, "") for key in RUN}
    prefix = "bench/results/%s-%s-" % (slug(summary["gpu"]), summary["commit"])
    files["tests/data/instructions/%s.json" % slug(summary["gpu"])] = check_conformance(folder, summary)
    for name, kind in ROW_FILES.items():
        data, say = read(folder, name, "rows")
        if say:
            notes.append(say)
        if data is None:
            continue
        check_rows(name, data, summary, allow_modified)
        if kind != "convolutions":
            data["rows"], broken = whole_rows(data)
            if broken:
                notes.append("%s: %d rows without a time were dropped" % (name, broken))
        if not data["rows"]:
            notes.append("%s holds no row" % name)
            continue
        for reason in data.get("left_out", []):
            notes.append("%s: not measured: %s" % (name, reason))
        files[prefix + kind + ".json"] = as_text(dict(run=run, **data))
    files[prefix + "run.json"] = as_text(dict(run=run, missing=notes, steps=summary["steps"]))
    return files, notes


def as_text(data):
    """Indented, with every list of plain values on one line: samples are many."""
    text = json.dumps(data, indent=1)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m.group(1)) + "]"
                  if '"' not in m.group(1) else m.group(0), text) + "\n"


def load_results(root, fresh):
    """All runs under bench/results that carry their circumstances, those of `fresh` included: [(kind, data)]."""
    folder = os.path.join(root, "bench", "results")
    texts = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                texts["bench/results/" + name] = f.read()
    texts.update({path: text for path, text in fresh.items() if path.startswith("bench/results/")})
    found = []
    for path in sorted(texts):
        data = json.loads(texts[path])
        if isinstance(data, dict) and isinstance(data.get("run"), dict):
            stem = "%s-%s-" % (slug(data["run"]["gpu"]), data["run"]["commit"])
            found.append((os.path.basename(path)[len(stem):-len(".json")], dict(data, file=os.path.basename(path))))
    return found


def fill(page, sections, name):
    """The page with its sections replaced; those without rows stay as they are."""
    for key, text in sections.items():
        marked = re.compile(r"(<!-- gpu:%s -->\n)(.*?)(<!-- /gpu:%s -->)" % (key, key), re.S)
        if text is None or not marked.search(page):
            continue
        page = marked.sub(lambda m: m.group(1) + text.rstrip("\n") + "\n" + m.group(3), page)
    opened, closed = re.findall(r"<!-- gpu:(\S+) -->", page), re.findall(r"<!-- /gpu:(\S+) -->", page)
    if opened != closed:
        raise Refused("%s: its markers do not match: %s opened, %s closed" % (name, opened, closed))
    return page


def publish(folder, root, allow_modified):
    files, notes = collect(folder, allow_modified)
    sections = publish_tables.sections(load_results(root, files))
    placed = set()
    for page in PAGES:
        path = os.path.join(root, page)
        if not os.path.exists(path):
            notes.append("%s is not in %s" % (page, root))
            continue
        with open(path, encoding="utf-8") as f:
            text = f.read()
        placed |= set(re.findall(r"<!-- gpu:(\S+) -->", text))
        files[page] = fill(text, sections, page)
    for key in sections:
        if key not in placed:
            notes.append("no page has a place for gpu:%s" % key)
    for path, text in files.items():
        target = os.path.join(root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target + ".part", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(target + ".part", target)
    return sorted(files), notes


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder")
    ap.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    ap.add_argument("--allow-modified", action="store_true")
    args = ap.parse_args()
    try:
        written, notes = publish(args.folder, args.root, args.allow_modified)
    except Refused as e:
        print("publish.py: %s: refused: %s" % (args.folder, e), file=sys.stderr)
        return 1
    for note in notes:
        print("note: %s" % note)
    for path in written:
        print("wrote %s" % path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
