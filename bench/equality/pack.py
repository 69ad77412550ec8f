"""What both programs must read alike: the pixels of a pack (docs/data-formats.md section 16), the order of an epoch (section 14)
and its random stream (section 15), written from their description."""
import functools
import struct

import numpy as np

MASK = 2 ** 32 - 1
PURPOSE_ORDER = 3


def read_pack(path):
    """Pictures [n, height, width, 3] as uint8 RGB and labels [n] of a pack of pixels."""
    head, trailer = np.fromfile(path, np.uint8, 128).tobytes(), np.fromfile(path, np.uint8, offset=-128 + _size(path)).tobytes()
    version, kind, height, width = struct.unpack_from("<4I", head, 8)
    if head[:8] != b"\x89QPK\r\n\x1a\n" or version != 1 or kind != 1 or trailer[:8] != b"QPK END\n":
        raise SystemExit(f"{path}: no pack of pixels; `qcface data convert --pixels --to FILE.qpack` makes one")
    _, count, classes, tables = struct.unpack_from("<4Q", trailer, 8)
    bytes_a_picture = height * width * 3
    stride = (bytes_a_picture + 63) // 64 * 64
    records = np.fromfile(path, np.uint8, count * stride, offset=4096).reshape(count, stride)
    labels = np.fromfile(path, "<u4", count, offset=tables).astype(np.int64)  # pixels have no table of ends before them
    return records[:, :bytes_a_picture].reshape(count, height, width, 3), labels, int(classes)


def _size(path):
    with open(path, "rb") as file:
        return file.seek(0, 2)


def philox(counter, key):
    """A block of Philox4x32-10."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(10):
        low, high = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (high >> 32) ^ b ^ k0, high & MASK, (low >> 32) ^ d ^ k1, low & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return a, b, c, d


class Stream:
    """The stream (seed, purpose, epoch, index)."""

    def __init__(self, seed, purpose, epoch, index=0):
        self.key = (seed & MASK, (seed >> 32) ^ (purpose << 20))
        self.rest = (epoch, index & MASK, index >> 32)
        self.block, self.words = 0, []

    def u64(self):
        if not self.words:
            self.words = list(philox((self.block, *self.rest), self.key))
            self.block += 1
        low, high = self.words[:2]
        del self.words[:2]
        return low + (high << 32)

    def below(self, n):
        limit = n * ((2 ** 64 - 1) // n)
        while True:
            value = self.u64()
            if value < limit:
                return value % n


@functools.lru_cache(maxsize=2)
def epoch_order(count, seed, epoch):
    """Numbers of the pictures in the order in which an epoch shows them."""
    order, stream = list(range(count)), Stream(seed, PURPOSE_ORDER, epoch)
    for i in range(count, 1, -1):
        j = stream.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order
