"""predictions.csv of a regression: for each sample the number that it has, and the one that the network says."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ft.errors import RunError
from ft.runs.predictions import Prediction, escape, rows_of, unescape
from ft.system import files
from ft.system.names import PREDICTIONS


@dataclass(frozen=True)
class NumberRow:
    """What is so of one sample, and what a model says."""

    name: str
    label: float
    predicted: float

    @property
    def error(self) -> float:
        """How much more is said than is so."""
        return self.predicted - self.label


def write_numbers(folder: Path, names: Iterable[str], labels: Iterable[float], predicted: Iterable[float]) -> None:
    """Write predictions.csv: name,label,predicted,probability, one sample a line, the last cell empty."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Prediction.__dataclass_fields__)
    for name, label, said in zip(names, labels, predicted, strict=True):
        table.writerow((escape(name), repr(float(label)), repr(float(said)), ""))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def read_numbers(folder: Path) -> Sequence[NumberRow]:
    """Return the lines of predictions.csv."""
    try:
        return [NumberRow(unescape(name), float(label), float(said)) for name, label, said, _ in rows_of(folder)]
    except ValueError as error:
        raise RunError(f"{Path(folder) / PREDICTIONS}: {error}; expected a number as label and as predicted") from None
