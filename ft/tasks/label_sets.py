"""predictions.csv of a multi-label run: for each image its labels, and those that the network gives it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ft.errors import RunError
from ft.metrics.multilabel import BETWEEN, THRESHOLD
from ft.runs.predictions import escape, rows_of, unescape
from ft.system import files
from ft.system.names import PREDICTIONS


@dataclass(frozen=True)
class SetPrediction:
    """What a model says about one image: class names in class order, and the probability of each predicted one."""

    name: str
    label: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: tuple[float, ...]

    @property
    def certainty(self) -> float:
        """The probability of the most probable label that is wrong, 0 where labels are only missing."""
        answers = zip(self.predicted, self.probability, strict=True)
        return max((p for name, p in answers if name not in self.label), default=0.0)


@dataclass(frozen=True)
class LabelSet:
    """What is written of one image: numbers of classes in ascending order, and a probability of each predicted one."""

    label: Sequence[int]
    predicted: Sequence[int]
    probability: Sequence[float]


def sets_in(labels: np.ndarray, probabilities: np.ndarray) -> list[LabelSet]:
    """Return the sets of a batch, predicted what is more probable than one half. labels: 0 or 1, both (N, K)."""
    sets = []
    for own, p in zip(labels > 0, probabilities, strict=True):
        chosen = np.flatnonzero(p > THRESHOLD)
        sets.append(LabelSet(np.flatnonzero(own).tolist(), chosen.tolist(), p[chosen].tolist()))
    return sets


def write_label_sets(folder: Path, names: Iterable[str], rows: Iterable[LabelSet], classes: Sequence[str]) -> None:
    """Write predictions.csv: name,label,predicted,probability, one image a line, the parts of a cell between `|`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(SetPrediction))
    for name, row in zip(names, rows, strict=True):
        sets = (BETWEEN.join(escape(classes[k]) for k in group) for group in (row.label, row.predicted))
        table.writerow((escape(name), *sets, BETWEEN.join(map(repr, row.probability))))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def read_label_sets(folder: Path) -> list[SetPrediction]:
    """Return the lines of predictions.csv."""
    predictions = []
    for name, label, predicted, probability in rows_of(folder):
        own, said = (tuple(map(unescape, cell.split(BETWEEN))) if cell else () for cell in (label, predicted))
        try:
            numbers = tuple(map(float, probability.split(BETWEEN))) if probability else ()
        except ValueError as error:
            raise RunError(f"{Path(folder) / PREDICTIONS}: {error}; expected numbers with | between them") from None
        if len(numbers) != len(said):
            raise RunError(
                f"{Path(folder) / PREDICTIONS}: {len(said)} predicted labels and {len(numbers)} probabilities of "
                f"{unescape(name)}; expected as many"
            )
        predictions.append(SetPrediction(unescape(name), own, said, numbers))
    return predictions
