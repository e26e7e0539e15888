"""RegNet: the shapes that both wings build from, and the cards.

Depths and widths follow from four numbers a network by the paper's formula; the table holds what comes out of it.
Source: Radosavovic et al., "Designing Network Design Spaces", CVPR 2020; torchvision/models/regnet.py.
"""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

STEM = 32


@dataclass(frozen=True)
class Shape:
    """Depth and width of the four stages, the channels of a group, and whether blocks squeeze and excite (RegNetY)."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    group_width: int
    squeeze: bool

    @property
    def group_widths(self) -> list[int]:
        """The channels of a group in each stage: a stage narrower than a group is one group."""
        return [min(self.group_width, width) for width in self.widths]


Y, X = True, False

SHAPES = {
    "regnet_y_400mf": Shape((1, 3, 6, 6), (48, 104, 208, 440), 8, Y),
    "regnet_y_800mf": Shape((1, 3, 8, 2), (64, 144, 320, 784), 16, Y),
    "regnet_y_1_6gf": Shape((2, 6, 17, 2), (48, 120, 336, 888), 24, Y),
    "regnet_y_3_2gf": Shape((2, 5, 13, 1), (72, 216, 576, 1512), 24, Y),
    "regnet_y_8gf": Shape((2, 4, 10, 1), (224, 448, 896, 2016), 56, Y),
    "regnet_y_16gf": Shape((2, 4, 11, 1), (224, 448, 1232, 3024), 112, Y),
    "regnet_y_32gf": Shape((2, 5, 12, 1), (232, 696, 1392, 3712), 232, Y),
    "regnet_y_128gf": Shape((2, 7, 17, 1), (528, 1056, 2904, 7392), 264, Y),
    "regnet_x_400mf": Shape((1, 2, 7, 12), (32, 64, 160, 400), 16, X),
    "regnet_x_800mf": Shape((1, 3, 7, 5), (64, 128, 288, 672), 16, X),
    "regnet_x_1_6gf": Shape((2, 4, 10, 2), (72, 168, 408, 912), 24, X),
    "regnet_x_3_2gf": Shape((2, 6, 15, 2), (96, 192, 432, 1008), 48, X),
    "regnet_x_8gf": Shape((2, 5, 15, 1), (80, 240, 720, 1920), 120, X),
    "regnet_x_16gf": Shape((2, 6, 13, 1), (256, 512, 896, 2048), 128, X),
    "regnet_x_32gf": Shape((2, 7, 13, 1), (336, 672, 1344, 2520), 168, X),
}

STAGES = {
    "stem": ("stem",),
    **{f"block{stage}": (f"trunk_output.block{stage}",) for stage in range(1, 5)},
    "head": ("fc",),
}


def card(name: str) -> Card:
    """Return the card of one RegNet."""
    return Card(
        name=name,
        family="regnet",
        parameters=published_parameters(name),
        stages=STAGES,
        last="fc",
        pretrained=published(name),
    )


CARDS = [card(name) for name in SHAPES]
