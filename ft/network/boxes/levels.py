"""From which map a box is cut out: the larger it is, the coarser. Source: torchvision/ops/poolers.py."""

from collections.abc import Sequence

import numpy as np

from ft.metrics.boxes import area
from ft.network.boxes.anchors import Shape

CANONICAL_SIZE, CANONICAL_LEVEL, EPS = 224, 4, 1e-6


def scales(image: Shape, maps: Sequence[Shape]) -> tuple[float, ...]:
    """Return how many pixels of each map one of the image is, the power of two that is nearest by the heights."""
    return tuple(2 ** float(np.round(np.log2(np.float32(height / image[0])))) for height, _ in maps)


def levels(boxes: np.ndarray, image: Shape, maps: Sequence[Shape]) -> np.ndarray:
    """Return the number of the map for each box (N, 4), int64. maps: those that boxes are cut out of."""
    first, *_, last = (int(-np.log2(scale)) for scale in (*scales(image, maps), scales(image, maps)[-1]))
    with np.errstate(divide="ignore"):  # an empty box is of the finest map
        wanted = np.floor(CANONICAL_LEVEL + np.log2(np.sqrt(area(boxes)) / CANONICAL_SIZE) + EPS)
    return np.clip(wanted, first, last).astype(np.int64) - first
