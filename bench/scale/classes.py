#!/usr/bin/env python3
"""Peak memory of each rank with very many classes.

usage: classes.py --mpirun MPIRUN --program build/dev/bin/qcface [--folder DIR] [--ranks 1 2 4]

Writes RecordIO files of as many classes as one may hold (10 million each, a picture of 1 x 1 pixels a class, about 1 GB a file)
into the folder, or uses those that are there; trains `mini` for two steps at a width of 4, which saves a checkpoint, and goes on
for one step more. Prints the largest resident memory of each process as the system has it, and what weights and slot of its classes
take of it. Needs nothing but Python.
"""
import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

START = pathlib.Path(__file__).resolve().parents[2] / "tests" / "core" / "comm" / "mpirun.sh"
WIDTH, F32, MIB = 4, 4, 1 << 20
MAGIC = 0xCED7230A


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0\x90\x70\x60")) + chunk(b"IEND", b""))


def write_records(path, classes):
    picture = png()
    length = 24 + len(picture)
    head, tail = struct.Struct("<IIIfQQ"), picture + b"\0" * (-length % 4)
    with open(path + ".tmp", "wb") as file:
        for first in range(0, classes, 100000):
            file.write(b"".join(head.pack(MAGIC, length, 0, label, label, 0) + tail
                                for label in range(first, min(first + 100000, classes))))
    os.rename(path + ".tmp", path)


def as_rank(folder, command):
    """Runs the program as this rank and leaves its peak in the folder, in bytes."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    status, usage = os.wait4(process.pid, 0)[1:]
    with open(os.path.join(folder, "%d" % process.pid), "w") as file:
        file.write("%d" % (usage.ru_maxrss * 1024))
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


def peaks(options, ranks, arguments):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([str(START), options.mpirun, str(ranks), sys.executable, __file__, "--as-rank", folder, options.program,
                               *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=dict(os.environ, OMP_NUM_THREADS="1"))
        if done.returncode != 0:
            raise SystemExit("%d ranks: exit status %d: %s" % (ranks, done.returncode, done.stderr[-1000:]))
        return sorted(int(pathlib.Path(folder, name).read_text()) for name in os.listdir(folder))


def main():
    if sys.argv[1:2] == ["--as-rank"]:
        as_rank(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpirun", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", help="keeps the files; without it they are made in a temporary folder")
    parser.add_argument("--files", type=int, default=2)
    parser.add_argument("--classes", type=int, default=10000000, help="of each file")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        os.makedirs(folder, exist_ok=True)
        places = [os.path.join(folder, "%d-%d.rec" % (options.classes, number)) for number in range(options.files)]
        for place in places:
            if not os.path.exists(place):
                write_records(place, options.classes)
        measured = []
        print("| ranks | weights and slot of a rank (MiB) | peak of a rank (MiB), saving | going on |\n|---|---|---|---|")
        for ranks in options.ranks:
            run = os.path.join(temporary, "run")
            first = peaks(options, ranks, [
                "train", "--arch", "mini", "--embed_dims", str(WIDTH), "--loss_model", "qcface", "--data_dirs", ",".join(places),
                "--batch-size", "16", "--lr", "0.001", "--augment", "none", "--epochs", "1", "--max-steps", "2", "--workers", "1",
                "--threads", "1", "--device", "cpu", "--no-report", "--pth-save-fold", run])
            again = peaks(options, ranks, ["train", "--resume", run, "--max-steps", "3"])
            shutil.rmtree(run)
            share = 2 * F32 * WIDTH * options.files * options.classes / ranks
            measured.append({"ranks": ranks, "classes_bytes": share, "saving": first, "going_on": again})
            print("| %d | %.0f | %.0f | %.0f |" % (ranks, share / MIB, first[-1] / MIB, again[-1] / MIB), flush=True)
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
