"""Swin Transformer: the blocks that the Keras port builds from, the tables of relative positions, and the cards.

A block attends within windows of `window` x `window` tokens, every second one in windows shifted by half a window.
Source: torchvision/models/swin_transformer.py.
"""

from dataclasses import dataclass

import numpy as np

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

PATCH, STAGES = 4, 4
POSITION_FEATURES = 512  # inside of version 2's network from relative positions to biases


@dataclass(frozen=True)
class Shape:
    """Width of the first stage (it doubles in each), blocks and heads by stage, window, version, published noise."""

    width: int
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]
    window: int
    version: int
    stochastic_depth: float

    def rates(self, stochastic_depth: float) -> list[float]:
        """Return the stochastic depth of each block: it grows from 0 to the network's rate."""
        return [stochastic_depth * block / (sum(self.depths) - 1) for block in range(sum(self.depths))]


SHAPES = {
    "swin_t": Shape(96, (2, 2, 6, 2), (3, 6, 12, 24), 7, 1, 0.2),
    "swin_s": Shape(96, (2, 2, 18, 2), (3, 6, 12, 24), 7, 1, 0.3),
    "swin_b": Shape(128, (2, 2, 18, 2), (4, 8, 16, 32), 7, 1, 0.5),
    "swin_v2_t": Shape(96, (2, 2, 6, 2), (3, 6, 12, 24), 8, 2, 0.2),
    "swin_v2_s": Shape(96, (2, 2, 18, 2), (3, 6, 12, 24), 8, 2, 0.3),
    "swin_v2_b": Shape(128, (2, 2, 18, 2), (4, 8, 16, 32), 8, 2, 0.5),
}


def relative_position_index(window: int) -> np.ndarray:
    """Return, for each pair of a window's tokens, the row of the bias table that is theirs: (tokens, tokens), int64."""
    rows, columns = np.divmod(np.arange(window**2, dtype=np.int64), window)
    down, across = (axis[:, None] - axis + window - 1 for axis in (rows, columns))
    return down * (2 * window - 1) + across


def relative_coords_table(window: int) -> np.ndarray:
    """Return each row and column offset on Swin v2's logarithmic scale: (1, offsets, offsets, 2), float32.

    sign(d) * log2(1 + |d|) / 3 of offsets d scaled to -8 ... 8. Source: Liu et al., "Swin Transformer V2", CVPR 2022.
    """
    offsets = np.arange(1 - window, window, dtype=np.float32) / np.float32(window - 1) * 8
    scaled = np.sign(offsets) * np.log2(np.abs(offsets) + 1) / 3
    return np.stack(np.meshgrid(scaled, scaled, indexing="ij"), axis=-1)[None]


def constants(shape: Shape) -> dict[str, np.ndarray]:
    """Return the tables of every block by canonical name."""
    tables = {"relative_position_index": relative_position_index(shape.window).reshape(-1)}
    if shape.version == 2:
        tables["relative_coords_table"] = relative_coords_table(shape.window)
    blocks = [f"features.{2 * stage + 1}.{block}" for stage in range(STAGES) for block in range(shape.depths[stage])]
    return {f"{block}.attn.{leaf}": table for block in blocks for leaf, table in tables.items()}


def card(name: str) -> Card:
    """Return the card of one Swin Transformer. It takes any image of a patch or more; torchvision states its own."""
    return Card(
        name=name,
        family="swin_transformer",
        channels_last=True,
        parameters=published_parameters(name),
        stages={
            "stem": ("features.0",),
            "stage1": ("features.1",),
            "stage2": ("features.2", "features.3"),
            "stage3": ("features.4", "features.5"),
            "stage4": ("features.6", "features.7"),
            "top": ("norm",),
            "head": ("head",),
        },
        last="head",
        pretrained=published(name),
        stochastic_depth=SHAPES[name].stochastic_depth,
        min_size=PATCH,
        constants=lambda: constants(SHAPES[name]),
    )


CARDS = [card(name) for name in SHAPES]
