"""What the samples of a batch are to become: arrays by name, the first axis of each is the sample.

    labels  class numbers int64 (N,), where every image has one class
    shares  how much an image is of each class (N, K): 0 or 1 of multi-label data, anything between once mixed

A target's name says what it is; nothing looks at its shape.
"""

from collections.abc import Mapping
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
