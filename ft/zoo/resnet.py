"""ResNet: block counts that the Keras port builds from, and the cards. Source: torchvision/models/resnet.py."""

from dataclasses import dataclass
from typing import Literal

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters


@dataclass(frozen=True)
class Shape:
    """A ResNet's block and its number of blocks in layer1 to layer4, of 64, 128, 256 and 512 planes."""

    block: Literal["basic", "bottleneck"]
    depths: tuple[int, int, int, int]


SHAPES = {
    "resnet18": Shape("basic", (2, 2, 2, 2)),
    "resnet34": Shape("basic", (3, 4, 6, 3)),
    "resnet50": Shape("bottleneck", (3, 4, 6, 3)),
    "resnet101": Shape("bottleneck", (3, 4, 23, 3)),
    "resnet152": Shape("bottleneck", (3, 8, 36, 3)),
}

STAGES = {
    "stem": ("conv1", "bn1"),
    **{layer: (layer,) for layer in ("layer1", "layer2", "layer3", "layer4")},
    "head": ("fc",),
}


def card(name: str) -> Card:
    """Return the card of one ResNet."""
    return Card(
        name=name,
        family="resnet",
        parameters=published_parameters(name),
        stages=STAGES,
        last="fc",
        pretrained=published(name),
    )


CARDS = [card(name) for name in SHAPES]
