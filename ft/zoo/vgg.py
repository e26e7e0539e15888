"""VGG: blocks that the Keras port builds from, and the cards. Source: torchvision/models/vgg.py."""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters

CHANNELS = (64, 128, 256, 512, 512)
DEPTHS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
NAMES = [name + suffix for name in DEPTHS for suffix in ("", "_bn")]


@dataclass(frozen=True)
class Block:
    """3x3 convolutions of one width and the pooling after them, all by their places in `features`."""

    channels: int
    convs: tuple[int, ...]
    pool: int


def normalised(name: str) -> bool:
    """Tell whether a BatchNorm follows each convolution of the network."""
    return name.endswith("_bn")


def blocks(name: str) -> list[Block]:
    """Return the five blocks of a network in order."""
    rows, place = [], 0
    stride = 3 if normalised(name) else 2  # convolution, perhaps BatchNorm, ReLU
    for channels, depth in zip(CHANNELS, DEPTHS[name.removesuffix("_bn")], strict=True):
        pool = place + depth * stride
        rows.append(Block(channels, tuple(range(place, pool, stride)), pool))
        place = pool + 1
    return rows


def card(name: str) -> Card:
    """Return the card of one VGG."""
    stages = {
        f"block{number}": tuple(f"features.{place}" for place in range(block.convs[0], block.pool))
        for number, block in enumerate(blocks(name), start=1)
    }
    return Card(
        name=name,
        family="vgg",
        tail=("avgpool", "flatten"),
        pool=None,
        parameters=published_parameters(name),
        stages={**stages, "head": ("classifier",)},
        last="classifier.6",
        pretrained=published(name),
        dropout=0.5,
        min_size=published_min_size(name),
    )


CARDS = [card(name) for name in NAMES]
