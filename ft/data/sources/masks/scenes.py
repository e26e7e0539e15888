"""The built-in set with masks: scikit-learn's digits as stickers on scikit-image's photographs, made from a seed.

200 pictures of 128 to 160 pixels a side with one to three stickers each, of which 160 train and 40 validate. Pixels are
real, masks, boxes and classes exact. Train and val have other photographs and other writers. Only integers are drawn
and Pillow's fixed-point arithmetic is all that is computed, so every machine makes the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from ft.data.sources.digits import TRAIN_COUNT, read_digits
from ft.errors import DataError
from ft.noise import generator

NAME = "scenes"
CLASSES = ("background", "zero", "one", "four")
DIGITS = (0, 1, 4)  # the digit of each class but the first
IMAGE_SIZE = 160
COUNTS = {"train": 160, "val": 40}
PHOTOS = {  # PNG alone: JPEG decoders differ by a value here and there
    "train": ("astronaut", "brick", "camera", "coffee", "coins", "grass", "ihc", "motorcycle_left"),
    "val": ("cell", "chelsea", "clock_motion", "gravel"),
}
SIDES, STICKERS, SIZES, TRIES = (128, 160), (1, 3), (84, 120), 12
GAP = 2  # pixels between two stickers at least
INK = 96  # grey from which an enlarged digit is ink


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture, uint8 (H, W, 3), its mask of class numbers, uint8 (H, W), and its objects, which do not overlap.

    boxes: int64 (N, 4), x and y of the first pixel and of the one behind the last; labels: class numbers int64 (N,).
    """

    split: str
    image: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def make_scenes(seed: int = 0) -> list[Scene]:
    """Return the scenes of a seed, those that train first."""
    images, labels = read_digits()
    halves = {"train": slice(None, TRAIN_COUNT), "val": slice(TRAIN_COUNT, None)}
    scenes = []
    for split, count in COUNTS.items():
        photos = [read_photo(name) for name in PHOTOS[split]]
        own, numbers = images[halves[split]], labels[halves[split]]
        glyphs = [own[numbers == digit] for digit in DIGITS]
        scenes += [make_scene(split, photos, glyphs, generator(seed, f"scenes {split}", i)) for i in range(count)]
    return scenes


def read_photo(name: str) -> Image.Image:
    """Return one of the photographs in scikit-image's wheel, RGB."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise DataError('scenes: needs scikit-image, which is not installed; pip install "ft-parity[demo]"')
    path = Path(package.origin).parent / "data" / f"{name}.png"
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except OSError:
        raise DataError(f"scenes: {path} is not there; pip install --force-reinstall scikit-image") from None


def make_scene(
    split: str, photos: Sequence[Image.Image], glyphs: Sequence[np.ndarray], rng: np.random.Generator
) -> Scene:
    """Return one scene. glyphs: the digits of each class, uint8 (N, 8, 8)."""
    width, height = rng.integers(SIDES[0], SIDES[1] + 1, 2).tolist()
    image = background(photos[int(rng.integers(len(photos)))], width, height, rng)
    mask = Image.new("L", (width, height))
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    for _ in range(rng.integers(STICKERS[0], STICKERS[1] + 1)):
        label = int(rng.integers(len(glyphs)))
        ink, shape = sticker(glyphs[label][rng.integers(len(glyphs[label]))], int(rng.integers(SIZES[0], SIZES[1] + 1)))
        paper, pen = colours(rng)
        x, y = place(shape.size, (width, height), boxes, rng)
        if x < 0:
            continue
        image.paste(paper, (x, y), shape)
        image.paste(pen, (x, y), ink)
        mask.paste(label + 1, (x, y), shape)
        boxes.append((x, y, x + shape.width, y + shape.height))
        labels.append(label + 1)
    return Scene(split, np.asarray(image), np.asarray(mask), np.array(boxes, np.int64), np.array(labels, np.int64))


def background(photo: Image.Image, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """Return a part of a photograph, perhaps mirrored, of that size."""
    zoom = int(rng.integers(100, 1 + min(250, 100 * photo.width // width, 100 * photo.height // height)))
    wide, high = width * zoom // 100, height * zoom // 100
    x, y = int(rng.integers(photo.width - wide + 1)), int(rng.integers(photo.height - high + 1))
    part = photo.crop((x, y, x + wide, y + high)).resize((width, height), Image.Resampling.BILINEAR)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else part


def sticker(glyph: np.ndarray, side: int) -> tuple[Image.Image, Image.Image]:
    """Return the ink of an enlarged digit, 0 to 255, and the paper around it, 0 or 255, both cut to the paper."""
    framed = Image.fromarray(np.pad(glyph, 2)).resize((side, side), Image.Resampling.BICUBIC)
    paper = framed.point([255 * (v >= INK) for v in range(256)])
    for _ in range(side // 16):  # grown by a pixel each time: many times faster than all at once
        paper = paper.filter(ImageFilter.MaxFilter(3))
    box = paper.getbbox()
    crisp = framed.point([min(max(3 * (v - INK), 0), 255) for v in range(256)])
    return crisp.crop(box), paper.crop(box)


def colours(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the colours of paper, which is light, and of ink, which is dark."""
    light, dark = rng.integers(170, 256, 3).tolist(), rng.integers(0, 86, 3).tolist()
    return (light[0], light[1], light[2]), (dark[0], dark[1], dark[2])


def place(
    size: tuple[int, int], canvas: tuple[int, int], boxes: Sequence[tuple[int, ...]], rng: np.random.Generator
) -> tuple[int, int]:
    """Return where a sticker goes so that it touches none of `boxes`, (-1, -1) where no try finds room."""
    for _ in range(TRIES):
        x, y = int(rng.integers(canvas[0] - size[0] + 1)), int(rng.integers(canvas[1] - size[1] + 1))
        right, below = x + size[0] + GAP, y + size[1] + GAP
        if all(right <= left or r + GAP <= x or below <= top or b + GAP <= y for left, top, r, b in boxes):
            return x, y
    return -1, -1
