#!/usr/bin/env python3
"""Every source includes what it uses of the C++ library: by itself or through a header of this project, never because one
library header happens to include another, which differs from compiler to compiler and from release to release.

    check_includes.py [FOLDER]        names every use without an include; exit status 1 if there is one
    check_includes.py [FOLDER] --fix  adds them (put in order with clang-format afterwards)
"""
import argparse
import pathlib
import re
import subprocess
import sys

SUFFIXES = (".cpp", ".h", ".hpp", ".c", ".cu", ".cuh")

# Header: what tells that it is used, as a regular expression. Names that other headers must offer too (std::size_t,
# std::move, std::swap) are left out.
USES = {
    "algorithm": r"std::(sort|stable_sort|nth_element|min|max|minmax|clamp|copy|copy_n|fill|fill_n|find|find_if|any_of|all_of|"
                 r"none_of|count|count_if|min_element|max_element|minmax_element|reverse|rotate|unique|lower_bound|"
                 r"upper_bound|equal_range|binary_search|transform|equal|remove_if|generate|partial_sort|for_each|replace|"
                 r"is_sorted|max_element|set_difference|mismatch|search|shuffle)\s*[(<]",
    "array": r"std::array\s*<|std::array\{|std::array [a-z]",
    "atomic": r"std::atomic\b|std::atomic_|std::memory_order",
    "bit": r"std::(bit_cast|endian|popcount|has_single_bit|bit_ceil|countr_zero|bit_width)\b",
    "cerrno": r"\berrno\b",
    "charconv": r"std::(from_chars|to_chars)\b",
    "chrono": r"std::chrono::",
    "cmath": r"std::(sqrt|exp|expm1|log|log1p|log10|log2|pow|fabs|floor|ceil|round|lround|llround|nearbyint|isfinite|isnan|"
             r"isinf|cos|sin|tan|acos|asin|atan|atan2|cosh|tanh|hypot|ldexp|frexp|fma|nextafter|signbit|trunc|fmod|cbrt|"
             r"erfc?|nan)\s*\(",
    "condition_variable": r"std::condition_variable\b",
    "csignal": r"std::(signal|raise|sig_atomic_t)\b",
    "cstdint": r"std::u?int(8|16|32|64|ptr)_t\b",
    "cstdio": r"std::(printf|fprintf|snprintf|puts|fputs|fopen|fclose|fread|fwrite|fflush|FILE|remove|rename|ferror)\b",
    "cstdlib": r"std::(getenv|abort|exit|strtol|strtoll|strtoull|strtod|malloc|free|aligned_alloc|atexit|quick_exit)\s*\(",
    "cstring": r"std::(memcpy|memset|memcmp|memmove|memchr|strlen|strcmp|strncmp|strncpy|strerror|strchr|strstr)\s*\(",
    "exception": r"std::(exception|exception_ptr|current_exception|rethrow_exception|terminate)\b",
    "filesystem": r"std::filesystem\b",
    "fstream": r"std::(ifstream|ofstream|fstream)\b",
    "functional": r"std::(function|reference_wrapper|greater|less)\s*[<>]",
    "iostream": r"std::(cout|cerr|cin)\b",
    "iterator": r"std::(back_inserter|istreambuf_iterator|istream_iterator|make_move_iterator)\b",
    "limits": r"std::numeric_limits\b",
    "map": r"std::(multi)?map\s*<",
    "memory": r"std::(unique_ptr|shared_ptr|weak_ptr|make_unique|make_shared)\b",
    "mutex": r"std::(mutex|lock_guard|unique_lock|once_flag|call_once|scoped_lock)\b",
    "new": r"std::(bad_alloc|align_val_t|nothrow)\b",
    "numbers": r"std::numbers::",
    "numeric": r"std::(accumulate|iota|reduce|inner_product|partial_sum|gcd|lcm|transform_reduce)\s*[(<]",
    "optional": r"std::(optional|nullopt)\b",
    "random": r"std::(mt19937|mt19937_64|uniform_real_distribution|normal_distribution|random_device)\b",
    "regex": r"std::(regex|smatch|regex_)",
    "set": r"std::(multi)?set\s*<",
    "span": r"std::span\b",
    "sstream": r"std::(istringstream|ostringstream|stringstream)\b",
    "stdexcept": r"std::(runtime_error|logic_error|invalid_argument|out_of_range|length_error|domain_error)\b",
    "stdint.h": r"(?<!::)\bu?int(8|16|32|64|ptr)_t\b|\bU?INT(8|16|32|64)_(MAX|MIN)\b",
    "string": r"std::(string|to_string|stoi|stol|stoll|stoull|stod|getline)\b",
    "string_view": r"std::string_view\b",
    "system_error": r"std::(error_code|system_error|errc)\b",
    "thread": r"std::(thread|this_thread)\b",
    "tuple": r"std::(tuple|tie|make_tuple|apply)\b",
    "type_traits": r"std::(is_same_v|is_integral_v|is_floating_point_v|conditional_t|enable_if_t|decay_t|remove_cvref_t|"
                   r"is_trivially_copyable_v|void_t|true_type|false_type|is_unsigned_v|is_signed_v)\b",
    "unordered_map": r"std::unordered_map\b",
    "unordered_set": r"std::unordered_set\b",
    "utility": r"std::(pair|exchange|as_const|in_range|cmp_less)\b",
    "variant": r"std::(variant|visit|monostate)\b",
    "vector": r"std::vector\b",
}
USES = {header: re.compile(pattern) for header, pattern in USES.items()}
# A header that is allowed to stand for another, by the standard.
STANDS_FOR = {"stdint.h": {"cstdint"}, "system_error": {"filesystem"}, "exception": {"stdexcept"},
              "string_view": {"string"}, "cerrno": {"errno.h"}, "csignal": {"signal.h"}, "utility": {"map", "unordered_map"},
              "chrono": {"thread"}, "iterator": {"fstream"}, "cstring": {"string.h"}, "cstdio": {"stdio.h"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)


class Project:
    def __init__(self, root):
        self.root = root
        names = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files"], capture_output=True,
                               text=True, check=True).stdout
        self.files = [root / name for name in names.splitlines() if name.endswith(SUFFIXES) and (root / name).exists()]
        self.text = {path: path.read_text(errors="replace") for path in self.files}
        self.by_tail = {}
        for path in self.files:
            parts = path.relative_to(root).parts
            for start in range(len(parts)):
                self.by_tail.setdefault("/".join(parts[start:]), []).append(path)
        self.provided = {}

    def included(self, path):
        """Standard headers, and files of this project, that a file names itself."""
        standard, own = set(), set()
        for bracket, name in INCLUDE.findall(self.text[path]):
            beside = path.parent / name
            found = [beside.resolve()] if beside.resolve() in self.text else self.by_tail.get(name, [])
            if found:
                own.update(found)
            elif bracket == "<":
                standard.add(name)
        return standard, own

    def provides(self, path):
        """Standard headers that including this file gives: named in it or in a file of this project below it."""
        if path not in self.provided:
            self.provided[path] = set()  # ends circles
            standard, own = self.included(path)
            self.provided[path] = standard.union(*(self.provides(other) for other in own))
        return self.provided[path]

    def missing(self, path):
        code = NO_CODE.sub(" ", INCLUDE.sub("", self.text[path]))
        have = self.provides(path)
        for header, pattern in USES.items():
            use = pattern.search(code)
            if use and header not in have and not STANDS_FOR.get(header, set()) & have:
                yield header, use.group(0)


def add_includes(text, headers):
    """Puts the includes before the first standard one, else behind the last include, else at the top."""
    lines = text.split("\n")
    includes = [i for i, line in enumerate(lines) if INCLUDE.match(line)]
    standard = [i for i in includes if re.match(r"#include <[a-z_]+>", lines[i])]
    new = [f"#include <{header}>" for header in headers]
    if standard:
        return "\n".join(lines[:standard[0]] + new + lines[standard[0]:])
    if includes:
        return "\n".join(lines[:includes[0] + 1] + [""] + new + lines[includes[0] + 1:])
    once = next((i + 1 for i, line in enumerate(lines) if line.startswith("#pragma once")), 0)
    return "\n".join(lines[:once] + ["", *new, ""] + lines[once:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=pathlib.Path(__file__).resolve().parents[2], type=pathlib.Path)
    parser.add_argument("--fix", action="store_true")
    arguments = parser.parse_args()
    project = Project(arguments.folder.resolve())
    if not project.files:
        sys.exit(f"{arguments.folder}: no source is known to git there")
    count = 0
    for path in project.files:
        if path.suffix == ".c":
            continue
        lacking = list(project.missing(path))
        for header, use in lacking:
            count += 1
            print(f"{path.relative_to(project.root)}: uses {use.strip(' (<')} without <{header}>")
        if lacking and arguments.fix:
            path.write_text(add_includes(project.text[path], sorted(header for header, _ in lacking)))
    print(f"{len(project.files)} sources, {count} includes missing")
    sys.exit(1 if count and not arguments.fix else 0)


if __name__ == "__main__":
    main()
