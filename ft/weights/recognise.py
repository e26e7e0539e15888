"""Which network a file's tensors are of, told by their shapes (ft/zoo/fingerprint.py)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ft.weights.keras_names import is_keras_named, owner
from ft.zoo import CARDS, Card
from ft.zoo.card import under
from ft.zoo.fingerprint import fingerprint, known

OUTPUTS = 100  # tensors of output layers, at most: no fingerprint is taken where there are more beside the body


@dataclass(frozen=True)
class Likeness:
    """A network whose tensors have the shapes of a file's. image_size: where the network is built for one."""

    card: Card
    image_size: int | None


def recognise(tensors: Mapping[str, np.ndarray]) -> list[Likeness]:
    """Return every network of the zoo that has these tensors' shapes, its output layers of any size.

    tensors: in canonical, published or Keras's names and layouts. Names count only in that they tell the output layers.
    """
    rename = not is_keras_named(tensors)
    prints: dict[str, tuple[int, str]] = {}
    fits = []
    for row in known():
        card = CARDS.get(row.model)
        if card is None or not row.tensors <= len(tensors) <= row.tensors + OUTPUTS:
            continue
        if card.name not in prints:
            prints[card.name] = body_print(tensors, card, card.renames if rename else owner)
        if prints[card.name] == (row.tensors, row.sha256):
            fits.append(Likeness(card, row.image_size))
    return fits


def body_print(tensors: Mapping[str, np.ndarray], card: Card, place: Callable[[str], str]) -> tuple[int, str]:
    """Return the fingerprint of the tensors that are not of a card's output layers; `place` gives a module path."""
    return fingerprint(array.shape for name, array in tensors.items() if not under(place(name), card.outputs))
