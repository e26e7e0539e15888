"""By what a network takes: images or text. The rest of a training asks here, and never which one it is."""

from types import ModuleType
from typing import Any, Protocol, cast

from ft.training import images, texts
from ft.zoo import Card

WAYS: dict[str, ModuleType] = {"images": images, "text": texts}


class Way(Protocol):
    """The public names of images.py and texts.py."""

    adapted: Any
    answering: Any
    policy_of: Any
    read_data: Any
    notes: Any
    measured: Any
    usable: Any
    way_in: Any
    reopened: Any
    kept: Any
    published: Any
    drawn: Any
    batches_for: Any


def way_of(card: Card) -> Way:
    """Return how jobs of a network come about."""
    return cast(Way, WAYS[card.inputs])
