#!/usr/bin/env python3
"""Every C, C++ and CUDA source is formatted as the repository's .clang-format says, by clang-format 14.

    check_format.py [FOLDER]        names every file that is not; exit status 1 if there is one
    check_format.py [FOLDER] --fix  formats them
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

VERSION = "14"  # other versions lay some lines out differently
SUFFIXES = (".c", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".inl")
COMPLAINT = re.compile(r"^(.+?):\d+:\d+: (?:error|warning): code should be clang-formatted", re.M)


def formatter():
    """A clang-format of the right version, or None."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        program = shutil.which(name)
        if program is None:
            continue
        told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        if re.search(rf"\bversion {VERSION}\.", told):
            return program
    return None


def sources(root):
    names = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"], capture_output=True,
                           text=True, check=True).stdout.split("\0")
    return [name for name in names if name.endswith(SUFFIXES) and (root / name).is_file()]


def run(program, options, root, names):
    """One process a processor, each with its share of the files; what they print, and whether all ended well."""
    count = max(1, min(os.cpu_count() or 1, len(names)))
    shares = [names[start::count] for start in range(count)]
    running = [subprocess.Popen([program, "--style=file", *options, *share], cwd=root, stderr=subprocess.PIPE, text=True)
               for share in shares]
    told = [process.communicate()[1] for process in running]
    return "".join(told), all(process.returncode == 0 for process in running)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=pathlib.Path(__file__).resolve().parents[2], type=pathlib.Path)
    parser.add_argument("--fix", action="store_true")
    arguments = parser.parse_args()
    root = arguments.folder.resolve()
    names = sources(root)
    if not names:
        sys.exit(f"{root}: no source is known to git there")
    program = formatter()
    if program is None:
        print(f"[qcface-skip] clang-format {VERSION} is not installed: no source was checked")
        return
    if arguments.fix:
        told, well = run(program, ["-i"], root, names)
        sys.exit(0 if well else told)
    told, well = run(program, ["--dry-run", "-Werror"], root, names)
    wrong = sorted(set(COMPLAINT.findall(told)))
    for name in wrong:
        print(f"{name}: not formatted; {program} -i {name}, or {pathlib.Path(__file__).name} --fix for all")
    print(f"{len(names)} sources, {len(wrong)} not formatted")
    if wrong:
        sys.exit(1)
    if not well:  # it failed for another reason: a broken .clang-format, say
        sys.exit(told)


if __name__ == "__main__":
    main()
