"""MobileNetV3: the blocks that the Keras port builds from, and the cards. Source: torchvision/models/mobilenetv3.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
STEM = 16
DROPOUT = 0.2


@dataclass(frozen=True)
class Block:
    """One inverted residual block; `squeeze`: with squeeze-and-excitation; `hard`: with hard swish, else ReLU."""

    kernel: int
    wide: int
    channels: int
    squeeze: bool
    hard: bool
    stride: int
    dilation: int = 1


@dataclass(frozen=True)
class Shape:
    """A network's blocks, features.1 onwards, and the width of its classifier's hidden layer."""

    blocks: tuple[Block, ...]
    hidden: int


RELU, HARD = False, True
PLAIN, SQUEEZE = False, True

SHAPES = {
    "mobilenet_v3_large": Shape(
        (
            Block(3, 16, 16, PLAIN, RELU, 1),
            Block(3, 64, 24, PLAIN, RELU, 2),
            Block(3, 72, 24, PLAIN, RELU, 1),
            Block(5, 72, 40, SQUEEZE, RELU, 2),
            Block(5, 120, 40, SQUEEZE, RELU, 1),
            Block(5, 120, 40, SQUEEZE, RELU, 1),
            Block(3, 240, 80, PLAIN, HARD, 2),
            Block(3, 200, 80, PLAIN, HARD, 1),
            Block(3, 184, 80, PLAIN, HARD, 1),
            Block(3, 184, 80, PLAIN, HARD, 1),
            Block(3, 480, 112, SQUEEZE, HARD, 1),
            Block(3, 672, 112, SQUEEZE, HARD, 1),
            Block(5, 672, 160, SQUEEZE, HARD, 2),
            Block(5, 960, 160, SQUEEZE, HARD, 1),
            Block(5, 960, 160, SQUEEZE, HARD, 1),
        ),
        hidden=1280,
    ),
    "mobilenet_v3_small": Shape(
        (
            Block(3, 16, 16, SQUEEZE, RELU, 2),
            Block(3, 72, 24, PLAIN, RELU, 2),
            Block(3, 88, 24, PLAIN, RELU, 1),
            Block(5, 96, 40, SQUEEZE, HARD, 2),
            Block(5, 240, 40, SQUEEZE, HARD, 1),
            Block(5, 240, 40, SQUEEZE, HARD, 1),
            Block(5, 120, 48, SQUEEZE, HARD, 1),
            Block(5, 144, 48, SQUEEZE, HARD, 1),
            Block(5, 288, 96, SQUEEZE, HARD, 2),
            Block(5, 576, 96, SQUEEZE, HARD, 1),
            Block(5, 576, 96, SQUEEZE, HARD, 1),
        ),
        hidden=1024,
    ),
}


def top(blocks: Sequence[Block]) -> int:
    """Return the number of channels that the last convolution makes."""
    return 6 * blocks[-1].channels


def stages(name: str) -> dict[str, tuple[str, ...]]:
    """Return the module paths of each stage: blocks of as many output channels stand together."""
    places = groupby(enumerate(SHAPES[name].blocks, start=1), key=lambda numbered: numbered[1].channels)
    inner = [tuple(f"features.{place}" for place, _ in group) for _, group in places]
    return {
        "stem": ("features.0",),
        **{f"stage{number}": paths for number, paths in enumerate(inner, start=1)},
        "top": (f"features.{len(SHAPES[name].blocks) + 1}",),
        "head": ("classifier",),
    }


def card(name: str) -> Card:
    """Return the card of one MobileNetV3."""
    return Card(
        name=name,
        family="mobilenetv3",
        parameters=published_parameters(name),
        stages=stages(name),
        last="classifier.3",
        pretrained=published(name),
        dropout=DROPOUT,
    )


CARDS = [card(name) for name in SHAPES]
