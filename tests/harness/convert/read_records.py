#!/usr/bin/env python3
"""Reads a .rec by its .idx with nothing but struct, and prints what a training program would see: for each key of the index
the labels, the id and the SHA-256 of the picture; then `property`. Written after data-formats.md section 2, not after the
writer.

    read_records.py train.rec
"""
import hashlib
import pathlib
import struct
import sys

MAGIC = 0xCED7230A


def record_at(data, offset):
    parts, first = [], True
    while True:
        magic, lrec = struct.unpack_from("<II", data, offset)
        assert magic == MAGIC, (offset, hex(magic))
        cflag, length = lrec >> 29, lrec & (1 << 29) - 1
        assert (cflag in (0, 1)) == first, (offset, cflag)
        parts.append(data[offset + 8:offset + 8 + length])
        offset += 8 + length + (-length % 4)
        first = False
        if cflag in (0, 3):
            return struct.pack("<I", MAGIC).join(parts), offset


def main():
    path = pathlib.Path(sys.argv[1])
    data = path.read_bytes()
    ends = set()
    offsets = []
    for line in path.with_suffix(".idx").read_text().splitlines():
        key, offset = line.split("\t")
        offsets.append(int(offset))
        record, end = record_at(data, int(offset))
        ends.add(end)
        flag, label, number, second = struct.unpack_from("<IfQQ", record)
        labels = struct.unpack_from(f"<{flag}f", record, 24) if flag else (label,)
        picture = record[24 + 4 * flag:]
        print(key, "flag", flag, "labels", *(f"{v:g}" for v in labels), "id", number, second,
              hashlib.sha256(picture).hexdigest() if picture else "-")
    assert sorted(ends)[:-1] == sorted(offsets)[1:] and max(ends) == len(data), "the index leaves something out"
    print("property", path.with_name("property").read_text())


main()
