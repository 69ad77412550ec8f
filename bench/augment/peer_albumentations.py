#!/usr/bin/env python3
"""The same work as qcface_bench_augment, with albumentations: one thread, the published list of steps.

usage: peer_albumentations.py FOLDER [seconds] [rounds]      prints one JSON line a round
Needs albumentations, opencv-python(-headless), numpy. The list follows albumentations 1.0.3, which the published
trainer uses; newer releases renamed some arguments, both spellings are tried.
"""
import json
import os
import sys
import time
import warnings

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
warnings.filterwarnings("ignore")

if {"-h", "--help"} & set(sys.argv[1:]):  # before the imports: help needs none of them
    print(__doc__.strip())
    sys.exit(0)

import albumentations as A  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402

SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp")
MEAN = np.array([0.5312, 0.4265, 0.3753], np.float32)
STD = np.array([0.2873, 0.2555, 0.2496], np.float32)


def jpeg_compression():
    try:
        return A.ImageCompression(quality_range=(20, 100), p=1.0)
    except (TypeError, ValueError):
        return A.ImageCompression(quality_lower=20, quality_upper=100, p=1.0)


def published():
    return A.Compose([
        A.RandomRotate90(p=0.5),
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=0.5),
        A.Blur(blur_limit=(3, 7), p=0.5),
        A.MedianBlur(blur_limit=(3, 7), p=0.5),
        A.CLAHE(clip_limit=(1, 4), tile_grid_size=(8, 8), p=0.5),
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5),
        A.RandomGamma(gamma_limit=(80, 120), p=0.5),
        jpeg_compression(),
    ])


def shorter_side(image, side=112):
    height, width = image.shape[:2]
    short = min(height, width)
    if short == side:
        return image
    scale = side / short
    size = (side if width == short else int(side * width / short), side if height == short else int(side * height / short))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def measure(files, augment, upto, seconds):
    count, begin, elapsed = 0, time.perf_counter(), 0.0
    while elapsed < seconds:
        for _ in range(32):
            image = cv2.cvtColor(cv2.imread(files[count % len(files)]), cv2.COLOR_BGR2RGB)
            count += 1
            if upto == "decode":
                continue
            image = augment(image=image)["image"]
            if upto == "augment":
                continue
            image = shorter_side(image)
            y0, x0 = (image.shape[0] - 112) // 2, (image.shape[1] - 112) // 2
            image = image[y0:y0 + 112, x0:x0 + 112]
            np.ascontiguousarray(((image.astype(np.float32) / 255.0 - MEAN) / STD).transpose(2, 0, 1))
        elapsed = time.perf_counter() - begin
    return count / elapsed


def main():
    folder = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    cv2.setNumThreads(1)
    files = sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names
                   if name.lower().endswith(SUFFIXES))
    augment = published()
    measure(files, augment, "normalise", 0.5)
    for _ in range(rounds):
        print(json.dumps({
            "program": "albumentations", "version": A.__version__, "opencv": cv2.__version__, "files": len(files),
            "decode": round(measure(files, augment, "decode", seconds), 1),
            "decode_augment": round(measure(files, augment, "augment", seconds), 1),
            "decode_augment_normalise": round(measure(files, augment, "normalise", seconds), 1),
        }), flush=True)


if __name__ == "__main__":
    main()
