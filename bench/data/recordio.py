"""RecordIO (docs/data-formats.md section 2) in plain Python: what peer_python.py reads with, and a writer.

usage: recordio.py FOLDER OUT        makes OUT/train.rec, train.idx and property of FOLDER/<identity>/<picture>, as
                                     InsightFace lays them out: record 0, images, identity records
"""
import mmap
import os
import struct
import sys

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)


class Reader:
    """Records by place: reader[i] is (label, picture file). The index is read, or the file is read through."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.offsets = []
        index = os.path.splitext(path)[0] + ".idx"
        if os.path.exists(index):
            with open(index) as lines:
                self.offsets = [int(line.split("\t")[1]) for line in lines]
        else:
            at = 0
            while at < len(self.data):
                self.offsets.append(at)
                at = self.record(at)[1]
        self.offsets = [at for at in self.offsets if self.picture(at)[1]]

    def __len__(self):
        return len(self.offsets)

    def __getitem__(self, i):
        return self.picture(self.offsets[i])

    def record(self, at):
        """The joined record at an offset, and where the next one begins."""
        parts = []
        while True:
            magic, word = struct.unpack_from("<II", self.data, at)
            if magic != MAGIC:
                raise ValueError("byte %d: no record" % at)
            flag, length = word >> 29, word & 0x1FFFFFFF
            parts.append(self.data[at + 8:at + 8 + length])
            at += 8 + (length + 3) // 4 * 4
            if flag in (0, 3):
                return (parts[0] if flag == 0 else MAGIC_BYTES.join(parts)), at

    def picture(self, at):
        payload = self.record(at)[0]
        flag, label, _, _ = struct.unpack_from("<IfQQ", payload)
        if flag > 0:
            label = struct.unpack_from("<f", payload, 24)[0]
        return int(label), payload[24 + 4 * flag:]


class Writer:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.records = open(os.path.join(folder, "train.rec"), "wb")
        self.index = open(os.path.join(folder, "train.idx"), "w")

    def add(self, key, labels, picture=b""):
        """One label is written as a scalar."""
        header = struct.pack("<IfQQ", 0, labels[0], key, 0) if len(labels) == 1 else \
            struct.pack("<IfQQ%df" % len(labels), len(labels), 0.0, key, 0, *labels)
        payload = header + picture
        self.index.write("%d\t%d\n" % (key, self.records.tell()))
        cuts, at = [], payload.find(MAGIC_BYTES)
        while at >= 0:
            if at % 4 == 0:
                cuts.append(at)
            at = payload.find(MAGIC_BYTES, at + (4 if at % 4 == 0 else 1))
        begins, ends = [0] + [cut + 4 for cut in cuts], cuts + [len(payload)]
        for i, (begin, end) in enumerate(zip(begins, ends)):
            flag = 0 if not cuts else 1 if i == 0 else 3 if end == len(payload) else 2
            part = payload[begin:end]
            self.records.write(struct.pack("<II", MAGIC, flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4))

    def close(self):
        self.records.close()
        self.index.close()


def write_classic(folder, out):
    identities = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    files = [sorted(os.listdir(os.path.join(folder, name))) for name in identities]
    first = sum(map(len, files)) + 1
    writer = Writer(out)
    writer.add(0, [first, first + len(identities)])
    key, ranges = 1, []
    for label, (name, pictures) in enumerate(zip(identities, files)):
        begin = key
        for picture in pictures:
            with open(os.path.join(folder, name, picture), "rb") as file:
                writer.add(key, [label], file.read())
            key += 1
        ranges.append((begin, key))
    for begin, end in ranges:
        writer.add(key, [begin, end])
        key += 1
    writer.close()
    with open(os.path.join(out, "property"), "w") as text:
        text.write("%d,112,112\n" % len(identities))
    print("%d pictures of %d identities in %s" % (first - 1, len(identities), os.path.join(out, "train.rec")))


if __name__ == "__main__":
    if len(sys.argv) != 3 or {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__.strip())
        sys.exit(0 if {"-h", "--help"} & set(sys.argv[1:]) else 2)
    write_classic(sys.argv[1], sys.argv[2])
