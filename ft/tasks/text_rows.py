"""predictions.csv of a language model: for each text how many tokens were to be told, and how well they were."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ft.errors import RunError
from ft.metrics.tokens import perplexity
from ft.runs.predictions import Prediction, escape, rows_of, unescape
from ft.system import files
from ft.system.names import PREDICTIONS


class Told(NamedTuple):
    """What is written of one text: its tokens but the first, their mean loss, and the share that was told right."""

    tokens: int
    loss: float
    right: float


@dataclass(frozen=True)
class TextRow:
    """One text: its tokens but the first (`label`), their mean loss in nats (`predicted`), the share told right."""

    name: str
    label: int
    predicted: float
    right: float

    @property
    def perplexity(self) -> float:
        """Among how many tokens, all alike, the choice would have been as hard."""
        return perplexity(self.predicted)


def write_text_rows(folder: Path, names: Iterable[str], rows: Iterable[Told]) -> None:
    """Write predictions.csv: name,label,predicted,probability, see `TextRow`; the last is the share told right."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Prediction.__dataclass_fields__)
    for name, row in zip(names, rows, strict=True):
        table.writerow((escape(name), row.tokens, repr(row.loss), repr(row.right)))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def read_text_rows(folder: Path) -> Sequence[TextRow]:
    """Return the lines of predictions.csv."""
    try:
        return [TextRow(unescape(n), int(count), float(loss), float(p)) for n, count, loss, p in rows_of(folder)]
    except ValueError as error:
        raise RunError(f"{Path(folder) / PREDICTIONS}: {error}; expected tokens, their loss, the share right") from None
