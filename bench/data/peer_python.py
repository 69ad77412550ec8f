#!/usr/bin/env python3
"""Reads and decodes pictures of a RecordIO file in random order, one thread, as researchers do it in Python.

usage: peer_python.py TRAIN.REC [seconds] [rounds]      prints one JSON line a round and way of decoding
Ways: Pillow and OpenCV behind the plain reader of recordio.py, and MXNet's own reader and decoder; those that are not
installed are left out.
"""
import io
import json
import os
import random
import sys
import time

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__.strip())
    sys.exit(0)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recordio import Reader  # noqa: E402


def with_pillow(reader):
    from PIL import Image, __version__
    import numpy as np

    def decode(i):
        return np.asarray(Image.open(io.BytesIO(reader[i][1])).convert("RGB"))
    return "Pillow " + __version__, decode


def with_opencv(reader):
    import cv2
    import numpy as np
    cv2.setNumThreads(1)

    def decode(i):
        bgr = cv2.imdecode(np.frombuffer(reader[i][1], np.uint8), cv2.IMREAD_COLOR)
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return "OpenCV " + cv2.__version__, decode


def with_mxnet(path):
    import mxnet
    from mxnet import recordio
    records = recordio.MXIndexedRecordIO(os.path.splitext(path)[0] + ".idx", path, "r")
    header, _ = recordio.unpack(records.read_idx(0))
    keys = list(range(1, int(header.label[0]))) if header.flag > 0 else list(records.keys)

    def decode(i):
        _, picture = recordio.unpack(records.read_idx(keys[i]))
        return mxnet.image.imdecode(picture).asnumpy()
    return "MXNet " + mxnet.__version__, decode


def measure(decode, order, seconds):
    count, begin, elapsed = 0, time.perf_counter(), 0.0
    while elapsed < seconds:
        for _ in range(64):
            decode(order[count % len(order)])
            count += 1
        elapsed = time.perf_counter() - begin
    return count / elapsed


def main():
    path = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    reader = Reader(path)
    order = list(range(len(reader)))
    random.Random(1).shuffle(order)
    ways = []
    for make, source in ((with_pillow, reader), (with_opencv, reader), (with_mxnet, path)):
        try:
            ways.append(make(source))
        except Exception as error:  # not installed, or does not run on this Python
            print("left out: %s: %s" % (make.__name__, error), file=sys.stderr)
    ways.append(("reading alone", lambda i: reader[i]))
    for name, decode in ways:
        measure(decode, order, 0.3)
    for _ in range(rounds):
        for name, decode in ways:
            print(json.dumps({"program": name, "pictures": len(reader),
                              "rate": round(measure(decode, order, seconds), 1)}), flush=True)


if __name__ == "__main__":
    main()
