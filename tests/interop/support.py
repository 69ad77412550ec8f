"""What the tests against other programs share: their Python, pictures, and the executable (QCFACE_EXECUTABLE)."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "third_party/downloads/python"


def skip(reason):
    print(f"[qcface-skip] {reason}")
    sys.exit(0)


def use_environment():
    """Goes on in the Python of install-python.sh, or leaves with the reason."""
    python = ENVIRONMENT / "bin/python3"
    if not (ENVIRONMENT / "wanted").exists():
        skip("third_party/downloads/python is missing: third_party/install-python.sh makes it (it needs PyPI)")
    if pathlib.Path(sys.prefix) != ENVIRONMENT:
        os.execv(python, [str(python), *sys.argv])
    try:
        import torch  # noqa: F401
    except ImportError as error:
        skip(f"PyTorch is missing (package python3-torch): {error}")


use_environment()
import numpy as np  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(2)
# mean, std, blue first; batch-norm eps
QCFACE = ((0.5312, 0.4265, 0.3753), (0.2873, 0.2555, 0.2496), False, 2e-5)
MAGFACE = ((0, 0, 0), (1, 1, 1), True, 2e-5)
INSIGHTFACE = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), False, 1e-5)
ADAFACE = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), True, 1e-5)


def png(path, pixels):
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def prepared(pixels, family):
    """[N, 112, 112, 3] RGB -> what the family's network takes."""
    mean, std, bgr, _ = family
    x = pixels[..., ::-1] if bgr else pixels
    x = (x / 255.0 - np.array(mean)) / np.array(std)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)).astype(np.float32))


def run(*arguments, status=0):
    command = [os.environ["QCFACE_EXECUTABLE"], *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}, expected {status}\n{done.stdout}")
    return done.stdout


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="qcface-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        rng = np.random.default_rng(5)
        # Smooth in part: each channel has another mean, so that an exchange of red and blue shows.
        coarse = rng.integers(0, 256, (4, 14, 14, 3)).repeat(8, 1).repeat(8, 2)
        noise = rng.integers(-40, 41, (4, 112, 112, 3)) + np.array([40, 0, -40])
        cls.pixels = np.clip(coarse + noise, 0, 255).astype(np.uint8)
        cls.pictures = cls.folder / "pictures"
        cls.pictures.mkdir()
        for i, picture in enumerate(cls.pixels):
            png(cls.pictures / f"{i}.png", picture)

    def embed(self, weights, *flags):
        """`qcface embed`: embeddings of the four pictures, and what it said."""
        out = self.folder / "embedded"
        said = run("embed", "--weights", weights, "--data", self.pictures, "--out", out, "--device", "cpu", "--threads", 2,
                   *flags)
        names = [pathlib.Path(str(name)).stem for name in np.load(out / "filenames.npy")]
        self.assertEqual(names, ["0", "1", "2", "3"])
        return np.load(out / "embeddings.npy"), said

    def assert_close(self, got, wanted, tolerance=1e-4):
        self.assertEqual(got.shape, wanted.shape)
        self.assertGreater(np.abs(wanted).max(), 0.5)
        self.assertGreater(np.abs(wanted[0] - wanted[1]).max(), 0.1)
        difference = np.abs(got - wanted).max()
        self.assertLessEqual(difference, tolerance)
