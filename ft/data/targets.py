"""What the samples of a batch are to become: arrays by name, the first axis of each is the sample.

    labels  class numbers int64 (N,), where every image has one class
    shares  how much an image is of each class (N, K): 0 or 1 of multi-label data, anything between once mixed
    mask    class numbers uint8 (N, H, W), where every pixel has one; 255: none counts there
    tokens  class numbers int64 (N, T), where tokens have one each; -100: none counts there
    boxes   corners x1 y1 x2 y2 in pixels of the input (N, M, 4), M a multiple of 8; 0 in rows of no box
    box_labels  class numbers int64 (N, M), -1 in rows of no box
    masks   the pixels of the input that each object covers (N, M, H, ceil(W / 8)), 8 a byte as np.packbits has them;
            H and W of the largest picture
    points  keypoints of each object in pixels of the input (N, M, K, 3): x, y, and 0 where one is not marked
    values  a number a sample (N,), where that is what is to be said

A target's name says what it is; nothing looks at its shape.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Array = TypeVar("Array")  # NumPy's, or a tensor of a wing's
Targets = dict[str, np.ndarray]


def rows(targets: Targets, part: slice | np.ndarray) -> Targets:
    """Return the targets of some samples."""
    return {name: array[part] for name, array in targets.items()}


def count(targets: Targets) -> int:
    """Return the number of samples."""
    return len(next(iter(targets.values())))


def classes_of(targets: Mapping[str, Array]) -> Array:
    """Return what a classifier is taught: the labels (N,), or the shares (N, K) where there are these."""
    return targets["labels"] if "labels" in targets else targets["shares"]


def as_shares(targets: Targets, classes: int, dtype: np.dtype) -> np.ndarray:
    """Return shares (N, K) of that type, one-hot where every image has one class."""
    return np.eye(classes, dtype=dtype)[targets["labels"]] if "labels" in targets else targets["shares"]


def chances(labels: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Return how often each sample is to be drawn for classes of the same chance, not normalised, float64 (N,).

    labels: the numbers of each sample's classes; samples without one are a class more.
    """
    none = 1 + max((k for own in labels for k in own), default=-1)
    hot = np.zeros((len(labels), none + 1), np.bool_)
    for row, own in zip(hot, labels, strict=True):
        row[list(own) or [none]] = True
    return (hot / np.maximum(hot.sum(0), 1)).sum(1)
