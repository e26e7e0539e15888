"""Boxes as what a network says of them: shifts of the middle and logarithms of the sides, relative to other boxes.

Source: torchvision/models/detection/_utils.py, BoxCoder. A side grows at most 62.5-fold, and shrinks without limit.
"""

import math

import numpy as np

from ft.zoo.detector import Four

LARGEST = math.log(1000 / 16)
BETA = 1 / 9  # of the smooth L1 loss of what is said: below it the loss is a square


def middles(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return middle and sides (..., 2) of boxes (..., 4)."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * sides, sides


def encode(boxes: np.ndarray, own: np.ndarray, weights: Four) -> np.ndarray:
    """Return what is to be said (N, 4) at boxes `own` for them to become `boxes`."""
    (middle, sides), (start, lengths) = middles(boxes), middles(own)
    factors = np.asarray(weights)
    return np.concatenate([factors[:2] * (middle - start) / lengths, factors[2:] * np.log(sides / lengths)], axis=-1)


def decode(said: np.ndarray, own: np.ndarray, weights: Four) -> np.ndarray:
    """Return what boxes `own` (N, 4) become by what is said of them, (N, ..., 4)."""
    start, lengths = (part.reshape(len(own), *[1] * (said.ndim - 2), 2) for part in middles(own))
    factors = np.asarray(weights)
    middle = said[..., :2] / factors[:2] * lengths + start
    half = 0.5 * (np.exp(np.minimum(said[..., 2:] / factors[2:], LARGEST)) * lengths)
    return np.concatenate([middle - half, middle + half], axis=-1)


def clip(boxes: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Return boxes (..., 4) cut to an image of that height and width."""
    height, width = image
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def large(boxes: np.ndarray, side: float) -> np.ndarray:
    """Tell which boxes (N, 4) have sides of at least that."""
    return (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) >= side
