"""What is measured of tokens: those that have a target, text by text."""

from collections.abc import Iterator

import numpy as np

from ft.metrics.entities import NO_LABEL
from ft.tasks.task import Arrays


def told(outputs: Arrays, targets: Arrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the logits (M, K) and the targets (M,) of the tokens of each text that have a target."""
    for logits, labels in zip(outputs["logits"], targets["tokens"], strict=True):
        counted = labels != NO_LABEL
        yield logits[counted], labels[counted]
