"""Measures what tells the networks apart (ft/zoo/fingerprint.py): `python -m ft.weights.fingerprints` writes the table.

Run it again when networks have been added.
"""

import csv
import io
from dataclasses import astuple, fields

from ft.backend import contract as backend
from ft.zoo import Card, cards
from ft.zoo.card import under
from ft.zoo.fingerprint import TABLE, Known, fingerprint


def sizes(card: Card) -> list[int | None]:
    """Return the image sizes that a network was published with, or None where its tensors are the same for all."""
    if not card.sized:
        return [None]
    return [*sorted({card.preprocess.crop, *(entry.preprocess.crop for entry in card.pretrained)})]


def measure(card: Card, image_size: int | None) -> Known:
    """Return the fingerprint of one network, built in the PyTorch wing without memory for its weights."""
    wing = backend.load("torch")
    with wing.building_empty():
        model = wing.build_model(card.name, options=card.options(image_size=image_size))
    shapes = [shape for name, shape in wing.weight_shapes(model).items() if not under(name, card.outputs)]
    return Known(card.name, image_size, *fingerprint(shapes))


def write_table() -> None:
    """Measure every network of the zoo and write the table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Known))
    table.writerows(astuple(measure(card, size)) for card in cards(None) for size in sizes(card))
    TABLE.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    write_table()
