#!/usr/bin/env python3
"""Vector accesses in the PTX of the CUDA sources: no array is read or written byte by byte that was meant to move 16 bytes
at a time, and hot loops hold the wide accesses they were written with.

    tests/gpu/wide_access.py                     every source
    tests/gpu/wide_access.py factors update      some of them
    tests/gpu/wide_access.py --list factors      the counts of every kernel
    tests/gpu/wide_access.py --notices           the check itself: a load through a reference must be found

Why: what looks like one vector load in C++ may be compiled to sixteen byte loads, which is right and slow, and no test of
values can see it. NVCC names the compiler (nvcc on the path, /usr/local/cuda/bin/nvcc).
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("kernels/cuda", "nn/cuda", "nn/scoring/cuda")

# Kernels that work on 8-bit values, where byte accesses are meant: pixels, dropout masks, flags.
BYTES_MEANT = r"^(images|mask|drop|to_planes|from_planes|ends|keep)_kernel"

# kernel: (loads of 16 bytes from global memory, loads from shared memory, stores to global memory), at least. What the inner
# loop moves in one turn: rows in flight times arrays. Kernels of one value at a time (last template arguments 1) are for
# arrays that are not aligned and stand in no row.
EXPECTED = [
    (r"statistics_kernel<.*, [48]>", 4, 0, 0),
    (r"sums_kernel<.*, [48], true>", 12, 0, 0),  # x, dy and residual of 4 rows
    (r"sums_kernel<.*, [48], false>", 8, 0, 0),
    (r"apply_kernel<.*, [48], true, true, false>", 12, 0, 4),
    (r"apply_kernel<.*, [48], true, false, false>", 8, 0, 4),
    (r"apply_kernel<.*, [48], false, true, false>", 8, 0, 4),
    (r"apply_kernel<.*, [48], false, false, false>", 4, 0, 4),
    (r"apply_kernel<.*, [48], true, .*, true>", 10, 0, 6),
    (r"apply_kernel<.*, [48], false, .*, true>", 4, 0, 6),
    (r"forward_kernel<.*, [48], true, .*>", 8, 0, 4),
    (r"forward_kernel<.*, [48], false, .*>", 4, 0, 4),
    (r"update_kernel<.*>", 6, 0, 4),
    (r"add_kernel<.*>", 2, 0, 1),
    (r"cast_kernel<.*>", 1, 0, 1),
    (r"finite_kernel<.*>", 1, 0, 0),
    (r"bias_wide_kernel<.*>", 1, 0, 1),
    (r"column_kernel<.*, [48]>", 1, 0, 0),
    (r"from_planes_kernel<.*, [48]>", 0, 0, 1),
    (r"to_planes_kernel<.*, [48]>", 1, 0, 0),
    (r"drop_kernel<.*, [48]>", 1, 0, 1),
    (r"images_kernel<.*, [48]>", 1, 0, 1),
    (r"unit_rows_kernel<float, 4>", 2, 0, 1),
    (r"unit_rows_kernel<.*, 4>", 2, 0, 0),  # stores of 8 bytes
    (r"exponentials_kernel<.*, float, .*>", 1, 1, 1),
    (r"exponentials_kernel<.*>", 1, 1, 0),
    (r"factors_kernel<.*, float>", 1, 0, 1),
    (r"factors_kernel<.*>", 1, 0, 0),
    (r"class_update_kernel", 8, 0, 3),  # w, H, x, velocity and dw
    (r"mma_weights_kernel<.*>", 4, 2, 3),  # the same with H in shared memory
    (r"wgmma_weights_kernel<.*>", 4, 2, 3),
    (r"fused_rows_kernel", 0, 0, 1),
    (r"scores_kernel", 1, 0, 1),
    (r"top_kernel", 1, 0, 0),
    (r"count_kernel", 1, 0, 0),
]

WIDE = r"(?:v4\.[a-z]32|v2\.[a-z]64|[a-z]128)\b"


def count(body, kind, space, what):
    return len(re.findall(rf"\b{kind}\.(?:relaxed\.|weak\.|volatile\.)?{space}[a-z:_0-9.]*\.{what}", body))


def kernels(ptx):
    """(name, counts) of every kernel."""
    parts = re.split(r"^\s*(?:\.visible |\.weak )?\.entry (\w+)", ptx, flags=re.M)
    names = subprocess.run(["c++filt"], input="\n".join(parts[1::2]), capture_output=True, text=True, check=True)
    for name, body in zip(names.stdout.splitlines(), parts[2::2]):
        name = re.sub(r"\(anonymous namespace\)::|qcface::|kernels::|nn::|cuda::", "", name)
        name = re.sub(r"\(\w+\)(?=\d)", "", name)  # values of an enum
        yield re.sub(r"^void |\(.*", "", name), {
            "loads": count(body, "ld", "global", WIDE),
            "shared loads": count(body, "ld", "shared", WIDE),
            "stores": count(body, "st", "global", WIDE),
            # generic addresses too
            "bytes": len(re.findall(r"\b(?:ld|st)\.(?!param|local)[a-z:_0-9.]*[us]8\b", body)),
        }


def compile_ptx(source, include_first=None):
    nvcc = os.environ.get("NVCC") or shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    architecture = "90a" if source.name.startswith("wgmma") else "80"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.ptx"
        includes = ([include_first] if include_first else []) + [ROOT, ROOT / "kernels/include"]
        subprocess.run([nvcc, "-std=c++20", "-ptx", f"-arch=compute_{architecture}",
                        *(f"-I{path}" for path in includes), str(source), "-o", str(out)], check=True)
        return out.read_text()


def check(source, ptx, listing=False):
    """Lines that say what is wrong."""
    wrong = []
    for name, counts in kernels(ptx):
        if listing:
            print(f"{source.name}: {name}: {counts}")
        if counts["bytes"] > 0 and not re.match(BYTES_MEANT, name):
            wrong.append(f"{source.name}: {name}: {counts['bytes']} accesses of one byte")
        row = next((row for row in EXPECTED if re.fullmatch(row[0], name)), None)
        for key, least in zip(("loads", "shared loads", "stores"), row[1:] if row else ()):
            if counts[key] < least:
                wrong.append(f"{source.name}: {name}: {counts[key]} {key} of 16 bytes, expected {least} or more")
    return wrong


def notices():
    """Compiles one source with the load that this check was written for."""
    with tempfile.TemporaryDirectory() as folder:
        header = Path("kernels/device/types.cuh")
        text = (ROOT / header).read_text()
        by_reference = text.replace("reinterpret_bits(From from)", "reinterpret_bits(const From& from)")
        assert by_reference != text, "types.cuh: reinterpret_bits(From from) is not there"
        (Path(folder) / header).parent.mkdir(parents=True)
        (Path(folder) / header).write_text(by_reference)
        source = ROOT / "kernels/cuda/factors.cu"
        wrong = check(source, compile_ptx(source, folder))
    print("\n".join(wrong))
    kinds = [any(text in line for line in wrong) for text in ("of one byte", "of 16 bytes")]
    if not all(kinds):
        sys.exit("the check did not notice a load that is compiled to byte loads")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", help="names without .cu; none: all")
    parser.add_argument("--list", action="store_true", help="print every kernel's counts")
    parser.add_argument("--notices", action="store_true", help="test the check itself")
    options = parser.parse_args()
    if options.notices:
        return notices()
    sources = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.cu"))
    if options.sources:
        sources = [path for path in sources if path.stem in options.sources]
    if not sources:
        sys.exit(f"no such source below {' and '.join(FOLDERS)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(compile_ptx, sources))
    wrong = [line for source, ptx in zip(sources, texts) for line in check(source, ptx, options.list)]
    found = {name for _, ptx in zip(sources, texts) for name, _ in kernels(ptx)}
    if not options.sources:
        wrong += [f"no kernel is called {pattern}: mend the table" for pattern, *_ in EXPECTED
                  if not any(re.fullmatch(pattern, name) for name in found)]
    print(f"{len(sources)} sources, {len(found)} kernels")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
