"""predictions.csv of pictures that have many classes each: how many pixels or boxes of every class, cat:2|dog:1."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from ft.errors import RunError
from ft.metrics.multilabel import BETWEEN
from ft.runs.predictions import Prediction, escape, rows_of, unescape
from ft.system import files
from ft.system.names import PREDICTIONS

Counts = dict[str, int]  # class name -> how many
Row = TypeVar("Row")


def write_count_rows(folder: Path, rows: Iterable[tuple[str, Mapping[str, int], Mapping[str, int], float]]) -> None:
    """Write name,label,predicted,probability. rows: counts as they are and as they are said to be, what is right."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Prediction.__dataclass_fields__)
    for name, own, said, right in rows:
        cells = (BETWEEN.join(f"{escape(label)}:{n}" for label, n in counts.items()) for counts in (own, said))
        table.writerow((escape(name), *cells, repr(right)))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def read_count_rows(folder: Path, make: Callable[[str, Counts, Counts, str], Row], *, like: str) -> list[Row]:
    """Return what `make` makes of each line; RunError where one has no counts. like: of what, and an example."""
    try:
        return [
            make(unescape(name), counts_in(own), counts_in(said), right) for name, own, said, right in rows_of(folder)
        ]
    except ValueError as error:
        raise RunError(f"{Path(folder) / PREDICTIONS}: {error}; expected {like}") from None


def counts_in(cell: str) -> Counts:
    """Return a cell's counts by class."""
    pairs = (part.rpartition(":") for part in cell.split(BETWEEN)) if cell else ()
    return {unescape(name): int(count) for name, _, count in pairs}
