"""SqueezeNet: layers that the Keras port builds from, and the cards. Source: torchvision/models/squeezenet.py."""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters


@dataclass(frozen=True)
class Shape:
    """The first convolution, and the eight fire modules behind its pooling.

    squeezes: channels that each fire module squeezes its input to, four times as many come out of each of its branches;
    pools: places in `features` where a pooling stands instead of a fire module.
    """

    channels: int
    kernel: int
    squeezes: tuple[int, ...]
    pools: tuple[int, ...]

    @property
    def fires(self) -> dict[int, int]:
        """What each fire module squeezes to, by its place in `features`."""
        places = (place for place in range(3, 13) if place not in self.pools)
        return dict(zip(places, self.squeezes, strict=True))


SHAPES = {
    "squeezenet1_0": Shape(96, 7, (16, 16, 32, 32, 48, 48, 64, 64), (6, 11)),
    "squeezenet1_1": Shape(64, 3, (16, 16, 32, 32, 48, 48, 64, 64), (5, 8)),
}


def card(name: str) -> Card:
    """Return the card of one SqueezeNet; its fire modules count from 2, as in the paper."""
    fires = {f"fire{number}": (f"features.{place}",) for number, place in enumerate(SHAPES[name].fires, start=2)}
    return Card(
        name=name,
        family="squeezenet",
        tail=(),
        pool=None,
        parameters=published_parameters(name),
        stages={"stem": ("features.0",), **fires, "head": ("classifier",)},
        last="classifier.1",
        pretrained=published(name),
        dropout=0.5,
        min_size=published_min_size(name),
    )


CARDS = [card(name) for name in SHAPES]
