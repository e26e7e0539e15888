"""Which axes a tensor has in Keras: followed through the layers of a model, by what each of them does.

Where nothing says it, as behind a function between two layers, the model's own convention holds: a map is (N, H, W, C),
or (N, C, H, W) in a model that takes such images; a sequence is (N, T, C). A layer that gives other axes than it takes
says so by its `traced_axes`.
"""

from collections.abc import Sequence
from typing import Any

import keras

from ft.calls import map_axes

FORMATS = {"channels_first": True, "channels_last": False}


def axes_after(layer: Any, given: Sequence[str], rank: int, *, images: str) -> str:
    """Return the axes of what a layer gives. given: those of its inputs, "" for unknown; images: the model's."""
    said = getattr(layer, "traced_axes", "")
    if said:
        return said
    if isinstance(layer, keras.layers.Permute):
        axes = given[0] or usual(rank, images=images)
        return axes[0] + "".join(axes[place] for place in layer.dims)
    data_format = getattr(layer, "data_format", None)
    if data_format in FORMATS:
        return map_axes(rank, first=FORMATS[data_format])
    kept = "" if isinstance(layer, keras.layers.Reshape) else next((axes for axes in given if len(axes) == rank), "")
    return kept or usual(rank, images=images)


def usual(rank: int, *, images: str) -> str:
    """Return the axes of a tensor of some rank where nothing says them."""
    return map_axes(rank, first=images == "NCHW" and rank != 3)
