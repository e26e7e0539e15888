"""Pretrained tensors made to fit a network after surgery, or of another image size, by these rules and no other.

| tensor                          | rule                                                                  |
|---------------------------------|-----------------------------------------------------------------------|
| of a stage or head that went    | left out                                                              |
| of a layer that came            | starts anew (ft/weights/initial.py)                                   |
| of a convolution's other kernel | starts anew; stride and dilation change no shape, so there it stays   |
| first convolution, N channels   | `average`: each takes sum_c W[:, c] / N                               |
| (W has 3 of them)               | `repeat`: channel n takes W[:, n % 3] * 3 / N                         |
| `pos_embedding`                 | the class token's stays, the grid is resized: bicubic, corners aligned |
| `relative_position_bias_table`  | its square of offsets is resized: bicubic, corners not aligned        |
| tables of relative positions    | those of the network's own window                                     |

Both rules for the first convolution keep the scale of its output: where all channels are equal, `average` gives what
the three gave together. Sources: torchvision.models.vision_transformer.interpolate_embeddings; timm's
adapt_input_conv (`repeat`; it sums for one channel, which is `average` here) and resize_rel_pos_bias_table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ft.network.surgery import Surgery, first_convolution
from ft.weights.match import strip_prefix
from ft.weights.resize import resize_bicubic
from ft.zoo.card import Card

Tensors = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Refit:
    """tensors: those of the source that the network has a place for, fitted; fresh: names that start anew, in the
    network's order; notes: what was done, line by line.
    """

    tensors: dict[str, np.ndarray]
    fresh: tuple[str, ...]
    notes: tuple[str, ...]


def refit(source: Tensors, shapes: Shapes, *, card: Card, surgery: Surgery | None, in_weights: str) -> Refit:
    """Fit pretrained tensors to the names and shapes of a network; what no rule covers is left for strict matching.

    card: the network's, after surgery; in_weights: "average" or "repeat".
    """
    prefix, stripped = strip_prefix(source, shapes)
    tensors = {card.renames(name) if prefix else name: tensor for name, tensor in stripped.items()}
    notes = [f"cut off from every name of the weights: {prefix}"] if prefix else []
    resized = {name: t for name, tensor in tensors.items() if (t := resized_to(name, tensor, shapes)) is not None}
    resized |= {
        name: table for name, table in card.constants().items() if misshapen(tensors, shapes, name)
    }  # tables of another window
    if resized:
        leaves = sorted({name.rpartition(".")[2] for name in resized})
        notes.append(f"resized to this network: {len(resized)} of {', '.join(leaves)}")
    tensors |= resized
    if surgery is None:
        return Refit(tensors, (), tuple(notes))
    gone = [name for name in tensors if name not in shapes and surgery.goes(name)]
    if gone:
        notes.append(f"left out of the weights: {len(gone)} tensors of {', '.join(stages_of(gone, surgery))}")
    first = first_convolution(shapes) + ".weight"
    if misshapen(tensors, shapes, first) and tensors[first].shape[2:] == tuple(shapes[first][2:]):
        tensors[first] = to_channels(tensors[first], shapes[first][1], in_weights)
        notes.append(f"{first}: {in_weights} of {source_channels(source, first)} channels for {shapes[first][1]}")
    changed = [f"{path}.weight" for path in surgery.changed_convolutions(shapes)]
    fresh = {name for name in changed if misshapen(tensors, shapes, name)} | set(filter(surgery.is_new, shapes))
    kept = {name: tensor for name, tensor in tensors.items() if name not in gone and name not in fresh}
    return Refit(kept, tuple(name for name in shapes if name in fresh), tuple(notes))


def misshapen(tensors: Tensors, shapes: Shapes, name: str) -> bool:
    """Tell whether a tensor is there and wanted, but in another shape."""
    return name in tensors and name in shapes and tensors[name].shape != tuple(shapes[name])


def stages_of(names: list[str], surgery: Surgery) -> list[str]:
    """Return the stages that tensors belonged to, in the network's order."""
    stages = {surgery.original.stage_of(name) for name in names}
    return [stage for stage in surgery.original.stages if stage in stages]


def source_channels(source: Tensors, name: str) -> int:
    """Return how many channels the source's first convolution takes."""
    return next(tensor.shape[1] for key, tensor in source.items() if key.endswith(name))


def to_channels(weight: np.ndarray, channels: int, rule: str) -> np.ndarray:
    """Return the first convolution's weight (O, C, h, w) for other channels, in the same type: (O, channels, h, w)."""
    wide, own = weight.astype(np.float64), weight.shape[1]
    if rule == "average":
        return np.repeat(wide.sum(1, keepdims=True) / channels, channels, axis=1).astype(weight.dtype)
    return (wide[:, np.arange(channels) % own] * (own / channels)).astype(weight.dtype)


def resized_to(name: str, tensor: np.ndarray, shapes: Shapes) -> np.ndarray | None:
    """Return a table of positions resized to the network's shape, or None for whatever is none or fits already."""
    wanted = tuple(shapes.get(name, tensor.shape))
    if tensor.shape == wanted or tensor.ndim != len(wanted):
        return None
    leaf = name.rpartition(".")[2]
    if leaf == "pos_embedding" and tensor.shape[2] == wanted[2] and squares(tensor.shape[1] - 1, wanted[1] - 1):
        grid = as_square(tensor[0, 1:], math.isqrt(wanted[1] - 1), align_corners=True)
        return np.concatenate([tensor[:, :1], grid[None]], axis=1)
    if leaf == "relative_position_bias_table" and tensor.shape[1] == wanted[1] and squares(len(tensor), wanted[0]):
        return as_square(tensor, math.isqrt(wanted[0]), align_corners=False)
    return None


def squares(*counts: int) -> bool:
    """Tell whether each number of rows fills a square."""
    return all(count > 0 and math.isqrt(count) ** 2 == count for count in counts)


def as_square(rows: np.ndarray, side: int, *, align_corners: bool) -> np.ndarray:
    """Return the rows (n * n, C) of a square as those (side * side, C) of another size, in the same type."""
    own = math.isqrt(len(rows))
    square = rows.reshape(own, own, -1).astype(np.float64)
    return resize_bicubic(square, side, align_corners=align_corners).reshape(side * side, -1).astype(rows.dtype)
