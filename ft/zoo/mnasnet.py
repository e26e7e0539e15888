"""MNASNet (B1): the stages that the Keras port builds from, and the cards. Source: torchvision/models/mnasnet.py.

Published files are of torchvision's version 2, whose stem grows with the width. A file of version 1 (a stem of 32
channels at every width) fails by its shapes; torchvision's loader rebuilds the network to fit it, we do not.
"""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters
from ft.zoo.width import scaled

NORM_MOMENTUM = 1 - 0.9997  # the paper's momentum, in PyTorch's sense
TOP = 1280
DROPOUT = 0.2

WIDTHS = {"mnasnet0_5": 0.5, "mnasnet0_75": 0.75, "mnasnet1_0": 1.0, "mnasnet1_3": 1.3}


@dataclass(frozen=True)
class Stage:
    """One stack of inverted residual blocks; the first block takes the stride."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    depth: int


STEM = (32, 16)  # channels of the first convolution, and of the depthwise separable one that follows
STAGES = (
    Stage(3, 2, 3, 24, 3),
    Stage(5, 2, 3, 40, 3),
    Stage(5, 2, 6, 80, 3),
    Stage(3, 1, 6, 96, 2),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)


def widened(channels: int, name: str) -> int:
    """Return a number of channels at the width of the network called `name`."""
    return scaled(channels, WIDTHS[name])


def card(name: str) -> Card:
    """Return the card of one MNASNet."""
    return Card(
        name=name,
        family="mnasnet",
        tail=("mean",),
        pool="mean",
        parameters=published_parameters(name),
        stages={
            "stem": tuple(f"layers.{place}" for place in (0, 1, 3, 4, 6, 7)),
            **{f"stage{number}": (f"layers.{7 + number}",) for number in range(1, 7)},
            "top": ("layers.14", "layers.15"),
            "head": ("classifier",),
        },
        last="classifier.1",
        pretrained=published(name),
        dropout=DROPOUT,
    )


CARDS = [card(name) for name in WIDTHS]
