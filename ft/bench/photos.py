"""The images of a benchmark as train/CLASS/* and val/CLASS/*, which every peer's own loader reads."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ft.data import Sample, open_dataset
from ft.errors import DataError
from ft.noise import generator

CLASSES, SIDES = ("ant", "bee", "cat", "dog", "elk"), ((500, 375), (375, 500), (480, 360))
VAL_SHARE = 4  # one image of so many is validated on


def lay_out(data: str | None, folder: Path, *, images: int) -> tuple[int, int]:
    """Fill `folder` with copies of about `images` training images of `data` and a fourth as many to validate on.

    data: whatever ft trains on, as files; None for generated photos. Returns how many of each there are.
    """
    if data is None:
        return generate(folder, images=images)
    dataset = open_dataset(data)
    splits = {"train": spread(dataset.train, images), "val": spread(dataset.val, max(images // VAL_SHARE, 1))}
    for split, samples in splits.items():
        for i, sample in enumerate(samples):
            if not isinstance(sample.source, Path):
                raise DataError(f"data {data}: its images are no files, which the other programs need; pass a folder")
            place = folder / split / f"{sample.label:04d}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample.source, place / f"{i:06d}{sample.source.suffix.lower()}")
    return len(splits["train"]), len(splits["val"])


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return `count` samples, or all, evenly from the whole list: it is sorted by class."""
    if count >= len(samples):
        return list(samples)
    return [samples[i] for i in np.linspace(0, len(samples) - 1, count).round().astype(int)]


def generate(folder: Path, *, images: int) -> tuple[int, int]:
    """Write JPEGs of photo size, of five classes that differ in colour and texture; return how many of each split."""
    counts = {"train": images, "val": max(images // VAL_SHARE, len(CLASSES))}
    for split, count in counts.items():
        for i in range(count):
            label = i % len(CLASSES)
            place = folder / split / CLASSES[label]
            place.mkdir(parents=True, exist_ok=True)
            photo(label, generator(0, f"bench {split}", i)).save(place / f"{i:06d}.jpg", quality=88)
    return counts["train"], counts["val"]


def photo(label: int, rng: np.random.Generator) -> Image.Image:
    """Return a picture of blobs, finer from class to class and tinted, with noise that a JPEG has to store."""
    width, height = SIDES[int(rng.integers(len(SIDES)))]
    cells = 3 + 3 * label
    tint = np.array([(60, 0, 0), (0, 60, 0), (0, 0, 60), (60, 60, 0), (0, 60, 60)][label])
    blobs = np.clip(rng.integers(0, 200, (cells, cells, 3)) + tint, 0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray(np.clip(smooth + rng.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8))


def read_all(folder: Path) -> None:
    """Read every file once, so that the first run does not wait for the disk in place of the others."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()
