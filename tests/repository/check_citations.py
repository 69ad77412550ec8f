#!/usr/bin/env python3
"""No citation leads nowhere: in every file that git tracks,

  - a document that is named (math.md, with or without a path) is in docs/, in the root or beside the file that names it;
  - a section that is named with it (math.md section 3, sections 2 to 4, section 9b; golden-formats.md, "Training") is there,
    and so is one that is named later in the same source, or in a numbered document without a name, as section 1 here;
  - a relative Markdown link leads to a file, and its #anchor to a heading;
  - a source that a document names with its folders (`nn/graph.h`) is there, unless its name begins with my_.

    check_citations.py [FOLDER]        names every one that does not; exit status 1 if there is one
"""
import argparse
import pathlib
import re
import subprocess
import sys
import urllib.parse

# Between the words of a citation: blanks, and where it goes on in the next line the comment's own marks.
GAP = r"(?:\s|(?<=\n)[ \t]*(?://[/!]?|#|\*))+"
NUMBER = r"\d+(?:\.\d+)*[a-z]?\b"
NUMBERS = rf"{NUMBER}(?:,{GAP}{NUMBER}(?=,|{GAP}(?:and|to|or)\b))*(?:,?{GAP}(?:and|to|or){GAP}{NUMBER})?"
SECTIONS = rf"[Ss]ections?{GAP}(?P<numbers>{NUMBERS})"
DOCUMENT = r"(?P<document>(?<![\w./*-])[\w./-]*\w\.md\b)"
CITATION = re.compile(rf"{DOCUMENT}(?:[`)\]]*,?{GAP}(?:{SECTIONS}|\"(?P<heading>[^\"\n]+)\"))?"
                      rf"|\b{SECTIONS.replace('numbers', 'later')}")
ADDRESS = re.compile(r"\b\w+://\S+")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+(?:\([^()]*\))?[^()\s>]*)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.M)
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$", re.M)
HTML_ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']")
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.M | re.S)
INLINE_CODE = re.compile(r"`[^`\n]*`")
SOURCE = re.compile(r"`(?:\./)?([\w.-]+(?:/[\w.-]+)*/(?!my_)[\w.-]+\.(?:c|cpp|cuh?|h|hpp|inl|py|sh|cmake|json|txt|npy))`")


def blank(match):
    """As many characters and lines, none of them read."""
    return re.sub(r"[^\n]", " ", match.group(0))


class Document:
    """What a Markdown file can be cited by."""

    def __init__(self, text):
        text = FENCE.sub(blank, text)
        self.headings, self.anchors, self.sections = [], set(HTML_ANCHOR.findall(text)), {}
        found = list(HEADING.finditer(text))
        for place, heading in enumerate(found):
            title = heading.group(2)
            self.headings.append(re.sub(r"[`*]|^\d+(?:\.\d+)*\.?\s+", "", title))
            self.anchors.add(self.free(self.slug(title)))
            number = re.match(r"(\d+(?:\.\d+)*)\.?\s", title + " ")
            if number:
                end = found[place + 1].start() if place + 1 < len(found) else len(text)
                self.sections[number.group(1)] = text[heading.end():end]

    @staticmethod
    def slug(title):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        return re.sub(r"[^\w\- ]", "", title).replace(" ", "-")

    def free(self, slug):
        number, name = 0, slug
        while name in self.anchors:
            number += 1
            name = f"{slug}-{number}"
        return name

    def has(self, section):
        """A letter is an item: 9b is what stands at (b) under 9."""
        number, letter = re.fullmatch(r"([\d.]+)([a-z]?)", section).groups()
        return number in self.sections and (not letter or f"({letter})" in self.sections[number])


def listed(numbers):
    """The sections that "1, 3 and 5b" or "2 to 4" names."""
    found = re.findall(NUMBER, numbers)
    if re.search(r"\bto\b", numbers) and all(number.isdigit() for number in found[-2:]):
        found = found[:-2] + [str(number) for number in range(int(found[-2]), int(found[-1]) + 1)]
    return found


class Repository:
    def __init__(self, root):
        self.root = root
        names = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"], capture_output=True,
                               text=True, check=True).stdout.split("\0")
        self.files = [root / name for name in names if name and (root / name).is_file()]
        self.tracked = set(self.files) | {folder for path in self.files for folder in path.parents}
        self.documents, self.faults, self.count = {}, [], 0

    def document(self, path):
        if path not in self.documents:
            self.documents[path] = Document(path.read_text())
        return self.documents[path]

    def find(self, name, beside):
        for folder in (beside.parent, self.root, self.root / "docs"):
            path = (folder / name.lstrip("/")).resolve()  # what follows a variable begins with a slash
            if path in self.tracked:
                return path
        return None

    def check(self, path):
        data = path.read_bytes()
        if b"\0" in data:
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return

        def fault(place, what):
            self.faults.append(f"{path.relative_to(self.root)}:{text.count(chr(10), 0, place) + 1}: {what}")

        def expect(place, document, sections, heading=None):
            known, name = self.document(document), document.relative_to(self.root)
            for section in sections:
                if not known.has(section):
                    fault(place, f"{name} has no section {section}")
            if heading is not None and heading not in known.headings:
                fault(place, f"{name} has no heading \"{heading}\"")

        # A document's own sections need no name; a source's belong to the numbered document it named last.
        last = path if path.suffix == ".md" and self.document(path).sections else None
        for cited in CITATION.finditer(ADDRESS.sub(blank, text)):
            if cited.group("document") is None:
                if last is not None:
                    self.count += 1
                    expect(cited.start(), last, listed(cited.group("later")))
                continue
            self.count += 1
            document = self.find(cited.group("document"), path)
            if document is None:
                fault(cited.start(), f"there is no document {cited.group('document')}")
                continue
            expect(cited.start(), document, listed(cited.group("numbers") or ""), cited.group("heading"))
            if self.document(document).sections and path.suffix != ".md":
                last = document
        if path.suffix == ".md":
            self.check_links(path, text, fault)
            if path.stem != "CHANGELOG":  # which names what was there
                self.check_sources(text, fault)

    def check_sources(self, text, fault):
        for named in SOURCE.finditer(text):
            if (self.root / named.group(1).split("/")[0]) not in self.tracked:
                continue  # a path of another place
            self.count += 1
            if (self.root / named.group(1)) not in self.tracked:
                fault(named.start(), f"there is no {named.group(1)}")

    def check_links(self, path, text, fault):
        for link in LINK.finditer(INLINE_CODE.sub(blank, FENCE.sub(blank, text))):
            target = link.group(1) or link.group(2)
            if re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.I):
                continue  # an address
            self.count += 1
            name, _, anchor = target.partition("#")
            led = (path.parent / urllib.parse.unquote(name)).resolve() if name else path
            if led not in self.tracked:
                fault(link.start(), f"the link to {target} leads to no file of the repository")
            elif anchor and led.suffix == ".md" and urllib.parse.unquote(anchor) not in self.document(led).anchors:
                fault(link.start(), f"the link to {target}: no heading has that anchor")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=pathlib.Path(__file__).resolve().parents[2], type=pathlib.Path)
    repository = Repository(parser.parse_args().folder.resolve())
    for path in repository.files:
        repository.check(path)
    for fault in repository.faults:
        print(fault)
    print(f"{repository.count} citations and links in {len(repository.files)} files, {len(repository.faults)} lead nowhere")
    if repository.count == 0:
        sys.exit("not one was found: this test reads the files wrongly")
    sys.exit(1 if repository.faults else 0)


if __name__ == "__main__":
    main()
