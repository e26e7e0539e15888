"""MaxViT: the shape that the Keras port builds from, the table of relative positions, and the card.

Each layer is an inverted residual block, attention within windows of 7 x 7 neighbours, and attention over a grid of
7 x 7 tokens that lie evenly over the whole map. Source: torchvision/models/maxvit.py.
"""

import numpy as np

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters
from ft.zoo.swin_transformer import relative_position_index

STEM = 64
CHANNELS, DEPTHS = (64, 128, 256, 512), (2, 2, 5, 2)
HEAD_CHANNELS, WINDOW = 32, 7
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
STOCHASTIC_DEPTH = 0.2
SIZE = 32 * WINDOW  # the last block's map, a 32nd of the image, is made of whole windows


def rates(stochastic_depth: float) -> list[float]:
    """Return the stochastic depth of each layer: it grows from 0 to the network's rate."""
    return np.linspace(0, stochastic_depth, sum(DEPTHS)).tolist()


def constants() -> dict[str, np.ndarray]:
    """Return the index of relative positions of every attention by canonical name."""
    return {
        f"blocks.{block}.layers.{layer}.layers.{kind}_attention.attn_layer.1.relative_position_index": (
            relative_position_index(WINDOW)
        )
        for block, depth in enumerate(DEPTHS)
        for layer in range(depth)
        for kind in ("window", "grid")
    }


CARDS = [
    Card(
        name="maxvit_t",
        family="maxvit",
        tail=(),
        pool=None,
        parameters=published_parameters("maxvit_t"),
        stages={
            "stem": ("stem",),
            **{f"block{i}": (f"blocks.{i}",) for i in range(len(DEPTHS))},
            "head": ("classifier",),
        },
        last="classifier.5",
        pretrained=published("maxvit_t"),
        stochastic_depth=STOCHASTIC_DEPTH,
        sized=True,
        min_size=SIZE,
        size_step=SIZE,
        constants=constants,
    )
]
