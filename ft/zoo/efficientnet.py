"""EfficientNet, V1 and V2: the blocks that the Keras port builds from, and the cards.

Source: Tan and Le, "EfficientNet", ICML 2019, and "EfficientNetV2", ICML 2021; torchvision/models/efficientnet.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters
from ft.zoo.width import scaled

STOCHASTIC_DEPTH = 0.2


@dataclass(frozen=True)
class Block:
    """One inverted residual block.

    `fused` blocks expand and filter with one full convolution instead of a 1x1 and a depthwise one, and do not squeeze.
    """

    expansion: int
    kernel: int
    stride: int
    channels: int
    fused: bool = False


Stage = tuple[Block, int]  # its first block, and how many there are: all but the first have stride 1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Everything that the network functions differ in; eps and momentum are BatchNorm's."""

    stem: int
    stages: tuple[Stage, ...]
    top: int
    dropout: float
    eps: float
    momentum: float

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """Yield module path and block, in order."""
        for number, (block, depth) in enumerate(self.stages, start=1):
            for index in range(depth):
                yield f"features.{number}.{index}", block if index == 0 else replace(block, stride=1)


B0: tuple[Stage, ...] = (
    (Block(1, 3, 1, 16), 1),
    (Block(6, 3, 2, 24), 2),
    (Block(6, 5, 2, 40), 2),
    (Block(6, 3, 2, 80), 3),
    (Block(6, 5, 1, 112), 3),
    (Block(6, 5, 2, 192), 4),
    (Block(6, 3, 1, 320), 1),
)

V2_S: tuple[Stage, ...] = (
    (Block(1, 3, 1, 24, fused=True), 2),
    (Block(4, 3, 2, 48, fused=True), 4),
    (Block(4, 3, 2, 64, fused=True), 4),
    (Block(4, 3, 2, 128), 6),
    (Block(6, 3, 1, 160), 9),
    (Block(6, 3, 2, 256), 15),
)

V2_M: tuple[Stage, ...] = (
    (Block(1, 3, 1, 24, fused=True), 3),
    (Block(4, 3, 2, 48, fused=True), 5),
    (Block(4, 3, 2, 80, fused=True), 5),
    (Block(4, 3, 2, 160), 7),
    (Block(6, 3, 1, 176), 14),
    (Block(6, 3, 2, 304), 18),
    (Block(6, 3, 1, 512), 5),
)

V2_L: tuple[Stage, ...] = (
    (Block(1, 3, 1, 32, fused=True), 4),
    (Block(4, 3, 2, 64, fused=True), 7),
    (Block(4, 3, 2, 96, fused=True), 7),
    (Block(4, 3, 2, 192), 10),
    (Block(6, 3, 1, 224), 19),
    (Block(6, 3, 2, 384), 25),
    (Block(6, 3, 1, 640), 7),
)


def grown(width: float, depth: float, *, dropout: float, eps: float = 1e-5, momentum: float = 0.1) -> Shape:
    """Return EfficientNet-B0 made wider and deeper by the given factors."""
    stages = tuple(
        (replace(block, channels=scaled(block.channels, width)), math.ceil(count * depth)) for block, count in B0
    )
    top = 4 * stages[-1][0].channels
    return Shape(stem=scaled(32, width), stages=stages, top=top, dropout=dropout, eps=eps, momentum=momentum)


def second(stages: tuple[Stage, ...], *, dropout: float) -> Shape:
    """Return a network of the second version."""
    return Shape(stem=stages[0][0].channels, stages=stages, top=1280, dropout=dropout, eps=1e-3, momentum=0.1)


SHAPES = {
    "efficientnet_b0": grown(1.0, 1.0, dropout=0.2),
    "efficientnet_b1": grown(1.0, 1.1, dropout=0.2),
    "efficientnet_b2": grown(1.1, 1.2, dropout=0.3),
    "efficientnet_b3": grown(1.2, 1.4, dropout=0.3),
    "efficientnet_b4": grown(1.4, 1.8, dropout=0.4),
    # torchvision's weights of B5 to B7 come from TensorFlow, and its BatchNorm settings with them
    "efficientnet_b5": grown(1.6, 2.2, dropout=0.4, eps=1e-3, momentum=0.01),
    "efficientnet_b6": grown(1.8, 2.6, dropout=0.5, eps=1e-3, momentum=0.01),
    "efficientnet_b7": grown(2.0, 3.1, dropout=0.5, eps=1e-3, momentum=0.01),
    "efficientnet_v2_s": second(V2_S, dropout=0.2),
    "efficientnet_v2_m": second(V2_M, dropout=0.3),
    "efficientnet_v2_l": second(V2_L, dropout=0.4),
}


def card(name: str) -> Card:
    """Return the card of one EfficientNet. torchvision's min_size of V2, 33, is nominal: one pixel runs."""
    count = len(SHAPES[name].stages)
    return Card(
        name=name,
        family="efficientnet",
        parameters=published_parameters(name),
        stages={
            "stem": ("features.0",),
            **{f"stage{number}": (f"features.{number}",) for number in range(1, count + 1)},
            "top": (f"features.{count + 1}",),
            "head": ("classifier",),
        },
        last="classifier.1",
        pretrained=published(name),
        dropout=SHAPES[name].dropout,
        stochastic_depth=STOCHASTIC_DEPTH,
    )


CARDS = [card(name) for name in SHAPES]
