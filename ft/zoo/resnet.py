"""ResNet, ResNeXt and Wide ResNet: the shapes that the Keras port builds from, and the cards.

Source: torchvision/models/resnet.py.
"""

from dataclasses import dataclass
from typing import Literal

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters


@dataclass(frozen=True)
class Shape:
    """A ResNet's block and its number of blocks in layer1 to layer4, of 64, 128, 256 and 512 planes.

    groups: those of the 3x3 convolution in a bottleneck; group_width: channels of one group in layer1.
    """

    block: Literal["basic", "bottleneck"]
    depths: tuple[int, int, int, int]
    groups: int = 1
    group_width: int = 64

    def width(self, planes: int) -> int:
        """Return the channels of the 3x3 convolution in a bottleneck of `planes`."""
        return planes * self.group_width // 64 * self.groups


SHAPES = {
    "resnet18": Shape("basic", (2, 2, 2, 2)),
    "resnet34": Shape("basic", (3, 4, 6, 3)),
    "resnet50": Shape("bottleneck", (3, 4, 6, 3)),
    "resnet101": Shape("bottleneck", (3, 4, 23, 3)),
    "resnet152": Shape("bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d": Shape("bottleneck", (3, 4, 6, 3), groups=32, group_width=4),
    "resnext101_32x8d": Shape("bottleneck", (3, 4, 23, 3), groups=32, group_width=8),
    "resnext101_64x4d": Shape("bottleneck", (3, 4, 23, 3), groups=64, group_width=4),
    "wide_resnet50_2": Shape("bottleneck", (3, 4, 6, 3), group_width=128),
    "wide_resnet101_2": Shape("bottleneck", (3, 4, 23, 3), group_width=128),
}


def strides(*, dilated: int = 0) -> list[tuple[int, int, int]]:
    """Return of layer1 to layer4 the stride, the dilation of the first block and that of the others.

    dilated: layers, from the last on, that have dilation in place of stride: their maps are as large as those before.
    """
    layers, gap = [(1, 1, 1)], 1
    for left in (3, 2, 1):
        first, gap = gap, gap * 2 if left <= dilated else gap
        layers.append((1 if left <= dilated else 2, first, gap))
    return layers


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
