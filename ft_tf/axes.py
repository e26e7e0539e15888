"""Which axes a tensor has in Keras: followed through the layers of a model, by what each of them does.

Where nothing says it, as behind a function between two layers, the model's own convention holds: a map is (N, H, W, C),
or (N, C, H, W) in a model that takes such images; a sequence is (N, T, C). A layer that gives other axes than it takes
says so by its `traced_axes`.
"""

from collections.abc import Sequence
from typing import Any

import keras

from ft.backend.calls import map_axes

FORMATS = {"channels_first": True, "channels_last": False}


def axes_before(layer: Any, known: str, rank: int, *, images: str) -> str:
    """Return the axes of what a layer takes. known: as another layer gave it, "" for none; images: the model's."""
    return known or written(layer, rank) or usual(rank, images=images)


def axes_after(layer: Any, given: Sequence[str], rank: int, *, images: str) -> str:
    """Return the axes of what a layer gives. given: those of its inputs."""
    if said := getattr(layer, "traced_axes", ""):
        return said
    if isinstance(layer, keras.layers.Permute) and given:
        return given[0][0] + "".join(given[0][place] for place in layer.dims)
    kept = "" if isinstance(layer, keras.layers.Reshape) else next((axes for axes in given if len(axes) == rank), "")
    return written(layer, rank) or kept or usual(rank, images=images)


def written(layer: Any, rank: int) -> str:
    """Return the axes of a map by the `data_format` of a layer, "" where it has none."""
    data_format = getattr(layer, "data_format", None)
    return map_axes(rank, first=FORMATS[data_format]) if data_format in FORMATS else ""


def usual(rank: int, *, images: str) -> str:
    """Return the axes of a tensor of some rank where nothing says them."""
    return map_axes(rank, first=images == "NCHW" and rank != 3)
