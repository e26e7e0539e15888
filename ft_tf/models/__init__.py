"""The networks of the Keras wing, one function each, in one file a family; a family is imported when it is used."""

from collections.abc import Mapping
from typing import Any

import keras

from ft.system.lazy import lazy_names
from ft.zoo import cards, find_card

HOMES = {card.name: card.family for card in cards(None)}

__all__ = ["build_model", *HOMES]  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_names(__name__, HOMES)


def build_model(
    name: str, *, num_classes: int = 1000, dtype: str = "float32", options: Mapping[str, Any] | None = None
) -> keras.Model:
    """Build the network called `name`; `options` are further keywords of its function, as `Card.options` gives them."""
    return __getattr__(find_card(name).name)(num_classes=num_classes, dtype=dtype, **(options or {}))
