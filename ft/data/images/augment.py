"""RandomResizedCrop and a horizontal flip: which part of the image is shown is a pure function of the generator given.

Source: torchvision.transforms.RandomResizedCrop (Szegedy et al., "Going deeper with convolutions", 2015). Its random
numbers are torch's, ours are NumPy's; given the same box, the pixels are the same bit for bit.
"""

import math

import numpy as np

from ft.data.images.preprocess import resize

SCALE = (0.08, 1.0)  # share of the image's area
RATIO = (3 / 4, 4 / 3)  # width / height
TRIES = 10

Box = tuple[int, int, int, int]  # top, left, height, width


def short_side_for(size: int) -> int:
    """Return how long an image's short side has to be for no box in it to be smaller than `size`."""
    return math.ceil(size / math.sqrt(SCALE[0] * RATIO[0]))


def crop_and_flip(image: np.ndarray, size: int, interpolation: str, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 (size, size, 3): a random part of uint8 (H, W, 3), mirrored half of the time."""
    crop = apply_crop(image, draw_crop(image.shape[0], image.shape[1], rng), size, interpolation)
    return np.ascontiguousarray(crop[:, ::-1]) if draw_flip(rng) else crop


def draw_flip(rng: np.random.Generator) -> bool:
    """Draw whether an image is mirrored: half are."""
    return bool(rng.random() < 0.5)


def draw_crop(height: int, width: int, rng: np.random.Generator) -> Box:
    """Draw a box (top, left, height, width) inside the image: area uniform, log of the ratio uniform, place uniform."""
    for _ in range(TRIES):
        area = height * width * rng.uniform(*SCALE)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    return central_crop(height, width)


def central_crop(height: int, width: int) -> Box:
    """Return the largest central box whose ratio is allowed: what is left when no drawn box fits."""
    h, w = height, width
    if width / height < RATIO[0]:
        h = round(width / RATIO[0])
    elif width / height > RATIO[1]:
        w = round(height * RATIO[1])
    return (height - h) // 2, (width - w) // 2, h, w


def apply_crop(image: np.ndarray, box: Box, size: int, interpolation: str) -> np.ndarray:
    """Return the box of uint8 (H, W, 3), resized to uint8 (size, size, 3)."""
    top, left, height, width = box
    return resize(np.ascontiguousarray(image[top : top + height, left : left + width]), size, size, interpolation)
