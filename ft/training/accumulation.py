"""One update from several passes: a batch is cut into parts whose losses add up to the loss of the whole."""

from dataclasses import dataclass

from ft.backend.objective import Objective
from ft.data.targets import Targets
from ft.recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Samples that go through the network together, and what their mean loss counts in that of the batch."""

    rows: slice
    share: float


def parts_of(targets: Targets, recipe: Recipe, objective: Objective) -> list[Part]:
    """Return the parts of a batch, nearly even ones of at most `batch_size` samples; without accumulation the whole.

    A part is never one sample alone, from which BatchNorm cannot learn, unless `batch_size` says so: of batches of 2 an
    odd one out joins a pair.
    A share is that of the samples' weights in the objective. So gradients add up to those of the whole batch, a last
    one that is short included.
    """
    weights = objective.weights(targets)
    samples = len(weights)
    if recipe.accumulate == 1:
        return [Part(slice(0, samples), 1.0)]
    parts = -(-samples // recipe.batch_size)
    if recipe.batch_size > 1:
        parts = max(1, min(parts, samples // 2))
    rows = [slice(samples * i // parts, samples * (i + 1) // parts) for i in range(parts)]
    whole = weights.sum() or 1.0  # where no pixel counts the loss is 0
    return [Part(part, float(weights[part].sum() / whole)) for part in rows]
