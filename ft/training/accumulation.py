"""One update from several passes: a batch is cut into parts whose losses add up to the loss of the whole."""

from dataclasses import dataclass

from ft.backend.objective import Objective
from ft.data import Batch
from ft.data.cut import Cut, Pass
from ft.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Samples that go through the network together, and what their loss counts in that of the batch.

    first: position of sample 0 in the batch; counts: False for a rank without samples, see ft/data/cut.py.
    """

    rows: slice
    share: float
    first: int
    counts: bool = True


def cut_of(recipe: Recipe) -> Cut:
    """Return how a recipe cuts a batch into parts, nearly even ones of at most `batch_size` samples."""
    return Cut(None if recipe.accumulate == 1 else recipe.batch_size)


def parts_of(batch: Batch, recipe: Recipe, objective: Objective) -> list[Part]:
    """Return the parts of a batch; without accumulation, and without other ranks, the whole.

    A share is that of the samples' weights in the objective; of a loss that is a sum, what all together are divided by.
    So gradients add up to those of the whole batch, a last one that is short included.
    """
    place = batch.place
    if place is None and recipe.accumulate == 1 and not objective.summed:
        return [Part(slice(0, len(batch)), 1.0, 0)]
    weights = objective.weighed(batch)  # of masks a look at every pixel: not where nobody asks
    passes = place.passes if place else [Pass(rows, rows.start) for rows in cut_of(recipe).passes(len(weights))]
    whole = place.weight if place else weights.sum()
    if objective.summed:
        return [Part(p.rows, p.counts / max(float(whole), 1.0), p.first, p.counts) for p in passes]
    whole = whole or 1.0  # where no pixel counts the loss is 0
    return [Part(p.rows, p.counts * float(weights[p.rows].sum() / whole), p.first, p.counts) for p in passes]
