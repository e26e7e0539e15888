"""predictions.csv of a token classification: for each text the tags of its words, and those that the network says."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ft.errors import RunError
from ft.runs.predictions import Prediction, escape, rows_of, unescape
from ft.system import files
from ft.system.names import PREDICTIONS

BETWEEN = " "  # two tags in a cell, as in a line of text; a blank in a tag is escaped


@dataclass(frozen=True)
class TagRow:
    """One text: the tags of its words as they are, as a model says, and how probable each of these is."""

    name: str
    label: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: tuple[float, ...]

    @property
    def wrong(self) -> int:
        """How many words have another tag."""
        return sum(a != b for a, b in zip(self.label, self.predicted, strict=True))


@dataclass(frozen=True)
class Tagged:
    """What is written of one text: class numbers, both ways, and a probability of each predicted one."""

    label: Sequence[int]
    predicted: Sequence[int]
    probability: Sequence[float]


def write_tag_rows(folder: Path, names: Iterable[str], rows: Iterable[Tagged], classes: Sequence[str]) -> None:
    """Write predictions.csv: name,label,predicted,probability, one text a line, blanks between what is of its words."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Prediction.__dataclass_fields__)
    for name, row in zip(names, rows, strict=True):
        cells = (joined(classes[k] for k in tags) for tags in (row.label, row.predicted))
        table.writerow((escape(name), *cells, BETWEEN.join(map(repr, row.probability))))
    files.write_text(Path(folder) / PREDICTIONS, text.getvalue())


def joined(tags: Iterable[str]) -> str:
    """Return the tags of a text's words as one cell."""
    return BETWEEN.join(escape(tag).replace(" ", r"\x20") for tag in tags)


def read_tag_rows(folder: Path) -> list[TagRow]:
    """Return the lines of predictions.csv."""
    rows, path = [], Path(folder) / PREDICTIONS
    for name, label, predicted, probability in rows_of(folder):
        own, said = (tuple(unescape(tag) for tag in cell.split()) for cell in (label, predicted))
        try:
            numbers = tuple(map(float, probability.split()))
        except ValueError as error:
            raise RunError(f"{path}: {error}; expected numbers with blanks between them") from None
        if not len(own) == len(said) == len(numbers):
            raise RunError(f"{path}: {len(own)} tags, {len(said)} predicted ones of {unescape(name)}; expected as many")
        rows.append(TagRow(unescape(name), own, said, numbers))
    return rows
