"""One update from several passes: a batch is cut into parts whose losses add up to the loss of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ft.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Samples that go through the network together, and what their mean loss counts in that of the batch."""

    rows: slice
    share: float


def parts_of(labels: np.ndarray, recipe: "Recipe", class_weights: Sequence[float] | None = None) -> list[Part]:
    """Return the parts of a batch, nearly even ones of at most `batch_size` samples; without accumulation the whole.

    A part is never one sample alone, from which BatchNorm cannot learn, unless `batch_size` says so: of batches of 2 an
    odd one out joins a pair.
    A share is that of the samples, or, where a loss divides by the sum of the labels' weights, that of the weights. So
    gradients add up to those of the whole batch, a last one that is short included. labels: (N,) or (N, classes).
    """
    if recipe.accumulate == 1:
        return [Part(slice(0, len(labels)), 1.0)]
    by_weight = class_weights is not None and labels.ndim == 1 and recipe.loss in ("cross-entropy", "focal")
    weights = np.asarray(class_weights)[labels] if by_weight else np.ones(len(labels))
    count = -(-len(labels) // recipe.batch_size)
    if recipe.batch_size > 1:
        count = max(1, min(count, len(labels) // 2))
    rows = [slice(len(labels) * i // count, len(labels) * (i + 1) // count) for i in range(count)]
    return [Part(part, float(weights[part].sum() / weights.sum())) for part in rows]
