#!/usr/bin/env python3
"""check_citations.py tells every kind of citation that leads nowhere, and only those."""
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).resolve().parent / "check_citations.py"
SUFFIX = ".md"

GOOD = {
    "README@": "# A\n[guide](docs/guide@#two-words), [here](#a), [out](https://example.org/x@)\n"
                   "```\n[no link](nowhere)\n```\n",
    "docs/guide@": "# Guide\n## 1. First\nSee section 2, `docs/my_own.h`, `other/x.h`.\n## Two words\n## 2. `Second`\nItem (b) of\n### 2.1 Inner\n",
    "a.h": "// guide@ section 1, then\n// section 2b; docs/guide@ sections 1 and 2.1; guide@\n// section 2 (guide@, \"Second\")\n",
    "b.sh": "echo ${ROOT}/docs/guide@\n",
}
BAD = {  # a file, what is put into it, what is told
    "a document": ("a.h", "\n\n// gone@\n", "a.h:3: there is no document gone@"),
    "a section": ("a.h", "// guide@ section 3\n", "a.h:1: docs/guide@ has no section 3"),
    "a section in the next line": ("b.sh", "# guide@\n#   section 7\n", "b.sh:1: docs/guide@ has no section 7"),
    "one of many": ("a.h", "// guide@ sections 1 to 4\n", "docs/guide@ has no section 3"),
    "an item": ("a.h", "// guide@ section 1b\n", "docs/guide@ has no section 1b"),
    "a heading": ("a.h", "// guide@, \"Third\"\n", "docs/guide@ has no heading \"Third\""),
    "a section named later": ("a.h", "// guide@ section 1\n// (section 5)\n", "a.h:2: docs/guide@ has no section 5"),
    "a document's own section": ("docs/guide@", "# Guide\n## 1. One\nsection 2\n", "docs/guide@ has no section 2"),
    "a link": ("README@", "[x](docs/none.txt)\n", "the link to docs/none.txt leads to no file"),
    "a source": ("README@", "`docs/none.h`\n", "README@:1: there is no docs/none.h"),
    "an anchor": ("README@", "[x](docs/guide@#three)\n", "docs/guide@#three: no heading has that anchor"),
    "an anchor of its own": ("README@", "# A\n[x](#b)\n", "the link to #b: no heading has that anchor"),
}


def check(files):
    """Exit status and text for a repository of these files. @ stands for the suffix of a document in their names and texts, so
    that this test cites nothing itself."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name.replace("@", SUFFIX)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace("@", SUFFIX))
        for command in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", "-C", folder, *command], check=True)
        ran = subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)
        return ran.returncode, ran.stdout + ran.stderr


def main():
    failures = []
    status, told = check(GOOD)
    if status != 0 or "10 citations" not in told:
        failures.append(f"sound citations: status {status}, {told}")
    for kind, (name, text, wanted) in BAD.items():
        status, told = check({**GOOD, name: text})
        if status != 1 or wanted.replace("@", SUFFIX) not in told:
            failures.append(f"{kind}: status {status}, expected '{wanted}', told: {told}")
    print("\n".join(failures) or f"{1 + len(BAD)} repositories judged rightly")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
