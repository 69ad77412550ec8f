#!/usr/bin/env python3
"""Bytes that the element-wise layers of a training step move to and from memory: one kernel an operation (eager)
against the fused kernels of nn/cuda. Computed from the shapes of the network, not measured.

usage: elementwise_traffic.py [--batch 512] [--bytes-a-value 2] [--gb-per-s 3350] [--check FILE]

Counts, in units of one value (all its bytes once), and why:

                        eager                                    fused
  forward
    batch norm          3  statistics read x; apply reads, writes  1 + 2, or 2 where the layer before emits the statistics
    PReLU               2                                        0  in the pass of its batch norm
    addition            3                                        1  the residual, read by the pass of its batch norm
    dropout, flatten    2 each                                   2  together
  backward
    batch norm          5  sums read x, dy; apply reads x, dy,   5
                           writes dx
    PReLU               5  x, dy -> dx; x, dy -> slope gradient  0  in the two passes of its batch norm
    sum of gradients    3  at the input of every block           1  read by the pass that writes the other gradient
    dropout, flatten    2 each                                   2  together
  images (uint8)        cast 3 + 6, normalise 6 + 6, layout and  3 + 16
   bytes a pixel        padding to 8 channels 6 + 16
  optimiser             decay 12, momentum 12, update 12,        22, and 4 to look for NaN
   bytes a weight       16-bit copy 6, unscale and check 8
The convolutions and the fully connected product are the same in both and left out, as are arrays of one value a channel.
"""
import argparse

BLOCKS = {"IR-18": (2, 2, 2, 2), "IR-50": (3, 4, 14, 3), "IR-100": (3, 13, 30, 3)}
WIDTHS = (64, 128, 256, 512)
WEIGHTS = {"IR-18": 24025600, "IR-50": 43590848, "IR-100": 65156160}


class Traffic:
    def __init__(self):
        self.eager = {}
        self.fused = {}

    def add(self, kind, eager, fused, size):
        self.eager[kind] = self.eager.get(kind, 0) + eager * size
        self.fused[kind] = self.fused.get(kind, 0) + fused * size

    def batch_norm(self, size, emitted=False, prelu=False, addition=False, sum_of_gradients=False):
        self.add("forward", 3 + 2 * prelu + 3 * addition, (2 if emitted else 3) + addition, size)
        self.add("backward", 5 + 5 * prelu + 3 * sum_of_gradients, 5 + sum_of_gradients, size)


def network(name, batch, value_bytes):
    t = Traffic()

    def size(side, channels):
        return batch * side * side * channels * value_bytes

    side, channels = 112, 64
    t.add("images", 3 + 6 + 6 + 6 + 6 + 8 * value_bytes, 3 + 8 * value_bytes, batch * side * side)
    t.batch_norm(size(side, channels), prelu=True)  # stem
    weights = 3 * 3 * 3 * 64 + 2 * 64 + 64
    for blocks, width in zip(BLOCKS[name], WIDTHS):
        for block in range(blocks):
            t.batch_norm(size(side, channels), emitted=True, sum_of_gradients=True)  # bn1 reads the block's input
            t.batch_norm(size(side, width), prelu=True)  # bn2, still at the input's resolution
            weights += 2 * channels + 9 * channels * width + 3 * width + 9 * width * width + 2 * width
            if block == 0:
                weights += channels * width + 2 * width
                side //= 2
                t.batch_norm(size(side, width))  # of the shortcut
            channels = width
            t.batch_norm(size(side, width), addition=True)  # bn3
    t.batch_norm(size(side, channels), emitted=True)  # bn2 of the head
    t.add("forward", 4, 2, size(side, channels))  # dropout and flatten
    t.add("backward", 4, 2, size(side, channels))
    t.batch_norm(batch * 512 * value_bytes)  # features
    weights += 2 * channels + side * side * channels * 512 + 512 + 2 * 512
    assert weights == WEIGHTS[name], (name, weights)
    t.add("optimiser", 12 + 12 + 12 + 6 + 8, 22 + 4, weights)
    return t


def table(batch, value_bytes, rate):
    head = ["network", "part", "eager, GB", "fused, GB", "saved", "eager, ms", "fused, ms"]
    rows = []
    for name in BLOCKS:
        t = network(name, batch, value_bytes)
        parts = list(t.eager) + ["all"]
        for part in sorted(parts, key=["images", "forward", "backward", "optimiser", "all"].index):
            eager = sum(t.eager.values()) if part == "all" else t.eager[part]
            fused = sum(t.fused.values()) if part == "all" else t.fused[part]
            rows.append([name, part, "%.2f" % (eager / 1e9), "%.2f" % (fused / 1e9), "%.0f %%" % (100 * (1 - fused / eager)),
                         "%.2f" % (eager / rate / 1e6), "%.2f" % (fused / rate / 1e6)])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * 2 + "---:|" * 5]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--bytes-a-value", type=int, default=2)
    ap.add_argument("--gb-per-s", type=float, default=3350, help="memory rate for the time columns")
    ap.add_argument("--check", metavar="FILE", help="fail unless FILE holds the table as printed")
    a = ap.parse_args()
    text = table(a.batch, a.bytes_a_value, a.gb_per_s)
    if a.check:
        with open(a.check, encoding="utf-8") as f:
            if text not in f.read():
                raise SystemExit("%s: its table is not the one this program computes; paste the new one" % a.check)
    print(text)


if __name__ == "__main__":
    main()
