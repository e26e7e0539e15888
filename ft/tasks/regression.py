"""A sample has a number: the network answers with one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ft.metrics.regression import mean_squared_error, pearson, spearman
from ft.tasks.number_rows import NumberRow, read_numbers, write_numbers
from ft.tasks.refused import refuse
from ft.tasks.sections import Page, Table
from ft.tasks.task import Arrays, Measure, Meter, PredictionTable, Score, Task

if TYPE_CHECKING:
    from ft.backend.objective import Objective
    from ft.data.targets import Targets
    from ft.recipe import Recipe

FARTHEST = 20  # samples that the page names
REFUSED = {
    "loss": "it minimises the mean squared error",
    "label_smoothing": "a number has no other classes",
    "class_weights": "there are no classes",
    "sampling": "there are no classes",
}


@final
class NumberMeter(Meter):
    """Both numbers of every sample, 16 bytes: the rank of each among all is what Spearman's correlation is of."""

    def __init__(self) -> None:
        self.truth: list[np.ndarray] = [np.zeros(0)]
        self.said: list[np.ndarray] = [np.zeros(0)]

    @property
    def count(self) -> int:
        """Samples so far."""
        return sum(map(len, self.truth))

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, 1) and values (N,)."""
        self.truth.append(targets["values"].astype(np.float64))
        self.said.append(outputs["logits"][:, 0].astype(np.float64))

    def merge(self, other: Self) -> None:
        """Add what another meter saw."""
        self.truth += other.truth
        self.said += other.said

    def result(self) -> dict[str, Any]:
        """Return pearson, spearman, rmse and loss."""
        truth, said = np.concatenate(self.truth), np.concatenate(self.said)
        loss = mean_squared_error(truth, said)
        return {"pearson": pearson(truth, said), "spearman": spearman(truth, said), "rmse": loss**0.5, "loss": loss}

    def by_class(self) -> dict[str, np.ndarray]:
        """Return nothing: there are no classes."""
        return {}


@final
class NumberTable(PredictionTable):
    """Both numbers of every sample."""

    def __init__(self) -> None:
        self.labels: list[float] = []
        self.predicted: list[float] = []

    def update(self, outputs: Arrays, targets: Arrays) -> None:
        """Add a batch of logits (N, 1) and values (N,)."""
        self.labels += targets["values"].tolist()
        self.predicted += outputs["logits"][:, 0].tolist()

    def write(self, folder: Path, names: Sequence[str], classes: Sequence[str]) -> None:
        """Write predictions.csv."""
        write_numbers(folder, names, self.labels, self.predicted)

    @staticmethod
    def read(folder: Path) -> Sequence[NumberRow]:
        """Return the lines of predictions.csv."""
        return read_numbers(folder)

    @staticmethod
    def agree(a: NumberRow, b: NumberRow) -> bool:
        """Tell whether both say the same number, but for a thousandth of it or, below 1, of 1."""
        return abs(a.predicted - b.predicted) <= 1e-3 * max(1.0, abs(a.predicted), abs(b.predicted))


@final
class Regression(Task):
    """A sample has a number: values (N,)."""

    name = "regression"
    labels = "numbers"
    score = Score(
        "pearson",
        "higher",
        word="Pearson correlation",
        heading="Pearson correlation",
        axis="Pearson correlation",
        page="Pearson correlation",
    )
    logged = (Measure("pearson", "Pearson", ".4f"), Measure("spearman", "Spearman", ".4f"))
    measures = (*logged, Measure("rmse", "RMSE", ".4g"), Measure("loss", "loss", ".4g"))
    share = None
    loss, loss_axis = "mean squared error", "mean squared error"
    predictions = NumberTable

    def require(self, recipe: "Recipe") -> None:
        """Raise RecipeError for what has no meaning for numbers."""
        refuse(recipe, self.name, REFUSED)

    def targets(self, labels: Sequence[Any], *, classes: int, dtype: str) -> "Targets":
        """Return the numbers."""
        return {"values": np.array(labels, dtype)}

    def objective(self, recipe: "Recipe", class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the mean squared error."""
        from ft.backend.objective import Objective

        return Objective(task="regression", kind="mse")

    def meter(self, classes: Sequence[str]) -> NumberMeter:
        """Return a meter that has seen nothing yet."""
        return NumberMeter()

    def guesses(self, outputs: Arrays, targets: Arrays, top: int) -> list[list[tuple[int, float]]]:
        """Return the number in the place of a probability, the only one there is."""
        return [[(0, value)] for value in outputs["logits"][:, 0].tolist()]

    def guess_columns(self, top: int) -> list[str]:
        """Return one column."""
        return ["value"]

    def guess_cells(self, guesses: Sequence[tuple[str, float]], top: int) -> list[str]:
        """Return the number."""
        return [repr(value) for _, value in guesses]

    def page(self, folder: Path, result: Mapping[str, Any]) -> Page:
        """Return the samples whose number is missed by most."""
        rows = sorted(read_numbers(folder), key=lambda row: (-abs(row.error), row.name))[:FARTHEST]
        cells = [(row.name, f"{row.label:.4g}", f"{row.predicted:.4g}", f"{row.error:+.4g}") for row in rows]
        return Page((Table("Where it errs most", ("name", "label", "predicted", "error"), cells),))


REGRESSION: Task = Regression()
