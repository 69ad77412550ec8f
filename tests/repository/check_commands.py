#!/usr/bin/env python3
"""Runs every command of the documents with --help: it has to be there, executable, and to know every option it is given.

    check_commands.py PROGRAMS [DOCUMENT ...]     PROGRAMS: the folder of qcface and the benchmark programs

Commands are the lines of code blocks and what stands `between back quotes` and begins with the name of a program or script
of this project. Programs that this build does not make (those for CUDA, say) are named and left out; qcface never is.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"^[A-Z_]+$|^\.\.\.$")


def commands_in(text):
    """(line number, words) of every command that could be one of ours."""
    lines, fenced = text.split("\n"), False
    number = 0
    while number < len(lines):
        line, first = lines[number], number + 1
        number += 1
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if fenced or line.startswith("    "):
            while line.endswith("\\") and number < len(lines):
                line = line[:-1] + lines[number]
                number += 1
            pieces = re.split(r"&&|\|\||;|\|", line)
        else:
            pieces = re.findall(r"`([^`\n]+)`", line)
        for piece in pieces:
            try:
                words = shlex.split(piece, comments=True)
            except ValueError:
                continue  # prose with an apostrophe
            while words and re.match(r"^[A-Z_]+=", words[0]):
                words = words[1:]
            if words:
                yield first, words


def find(name, programs):
    """(what to run, whether a build makes it), or None where it is no program of this project."""
    base = name.rsplit("/", 1)[-1]
    if base in ("qcface", "qcface_conformance") or base.startswith("qcface_bench_"):
        return programs / base, True
    if not re.fullmatch(r"[\w./-]+\.(sh|py)", name) or name.startswith("/"):
        return None
    path = ROOT / re.sub(r"^(\./|qcface-gpu/)", "", name)
    # `compare.py` in a sentence that has named its folder already is no command.
    return None if "/" not in name and not path.exists() else (path, False)


def subcommand(words):
    names = []
    for word in words[:2]:
        if not re.fullmatch(r"[a-z]+", word):
            break
        names.append(word)
    return names


def help_of(command, seen):
    key = tuple(map(str, command))
    if key not in seen:
        ran = subprocess.run([*key, "--help"], capture_output=True, text=True, timeout=120, cwd=ROOT, stdin=subprocess.DEVNULL,
                             env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        seen[key] = ran.returncode, ran.stdout + ran.stderr
    return seen[key]


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if len(sys.argv) > 1 else 2)
    programs = pathlib.Path(sys.argv[1]).resolve()
    documents = [pathlib.Path(name) for name in sys.argv[2:]] or [
        ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    faults, checked, seen, not_built = [], 0, {}, set()
    for document in documents:
        for line, words in commands_in(document.read_text()):
            found = find(words[0], programs)
            if found is None:
                continue
            path, built = found
            where = f"{document.name}:{line}: {' '.join(words)}"
            if built and not path.exists() and path.name != "qcface":
                not_built.add(path.name)
                continue
            if not os.access(path, os.X_OK):
                faults.append(f"{where}\n    {path.name} is {'not executable' if path.exists() else 'missing'}")
                continue
            rest = words[1:]
            command = [path]
            if path.name == "qcface":
                names = subcommand(rest)
                command += names
                rest = rest[len(names):]
            checked += 1
            status, text = help_of(command, seen)
            if status != 0:
                faults.append(f"{where}\n    --help ends with {status}: {text.strip()[-300:]}")
                continue
            for word in rest:
                option = word.split("=")[0].rstrip(",.:")
                if not re.match(r"^--?[A-Za-z]", option) or PLACEHOLDER.match(option):
                    continue
                if not re.search(r"(?<![\w-])" + re.escape(option) + r"(?![\w-])", text):
                    faults.append(f"{where}\n    --help of {path.name} does not know {option}")
    for fault in faults:
        print(fault)
    print(f"{checked} commands of {len(documents)} documents, {len(faults)} wrong"
          + (f"; not in this build: {', '.join(sorted(not_built))}" if not_built else ""))
    if checked < 10 and len(sys.argv) == 2:
        sys.exit("hardly a command was found: this test reads the documents wrongly")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
