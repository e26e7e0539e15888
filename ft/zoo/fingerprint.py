"""What tells the networks apart by shapes alone: fingerprints.csv, written by `python -m ft.zoo.fingerprint`.

A fingerprint knows neither names nor layouts, so it is the same for a network's file in either framework: of every
tensor the sizes of its axes, sorted, without those of 1; scalars and the output layers, whose size the data set
decides, are left out. Run the generator again when networks have been added; a test compares the table with the cards.
"""

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

from ft.zoo import Card, cards
from ft.zoo.card import under

TABLE = Path(__file__).with_name("fingerprints.csv")


@dataclass(frozen=True)
class Known:
    """A network's fingerprint: how many tensors it counts, and their hash. image_size: of networks built for one."""

    model: str
    image_size: int | None
    tensors: int
    sha256: str


def fingerprint(shapes: Iterable[tuple[int, ...]]) -> tuple[int, str]:
    """Return how many of the shapes count and the first 16 digits of their hash, whatever their order and layout."""
    sizes = (sorted(size for size in shape if size > 1) for shape in shapes)
    lines = sorted(" ".join(map(str, size)) for size in sizes if size)
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def known() -> tuple[Known, ...]:
    """Return the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Known(row["model"], int(row["image_size"] or 0) or None, int(row["tensors"]), row["sha256"])
            for row in csv.DictReader(file)
        )


def sizes(card: Card) -> list[int | None]:
    """Return the image sizes that a network was published with, or None where its tensors are the same for all."""
    if not card.sized:
        return [None]
    return [*sorted({card.preprocess.crop, *(entry.preprocess.crop for entry in card.pretrained)})]


def measure(card: Card, image_size: int | None) -> Known:
    """Return the fingerprint of one network, built in the PyTorch wing without memory for its weights."""
    import sys

    from ft import backend

    wing = backend.load("torch")
    with sys.modules["torch"].device("meta"):
        model = wing.build_model(card.name, options=card.options(image_size=image_size))
    shapes = [shape for name, shape in wing.weight_shapes(model).items() if not under(name, card.outputs)]
    return Known(card.name, image_size, *fingerprint(shapes))


def write_table() -> None:
    """Measure every network of the zoo and write the table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Known))
    table.writerows(astuple(measure(card, size)) for card in cards() for size in sizes(card))
    TABLE.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    write_table()
