"""DenseNet: widths and depths for the Keras port, and the cards. Source: torchvision/models/densenet.py."""

import re
from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size, published_parameters


@dataclass(frozen=True)
class Shape:
    """Channels of the stem, channels that each dense layer adds, and the number of layers in the four blocks."""

    stem: int
    growth: int
    depths: tuple[int, int, int, int]


SHAPES = {
    "densenet121": Shape(64, 32, (6, 12, 24, 16)),
    "densenet161": Shape(96, 48, (6, 12, 36, 24)),
    "densenet169": Shape(64, 32, (6, 12, 32, 32)),
    "densenet201": Shape(64, 32, (6, 12, 48, 32)),
}

STAGES = {
    "stem": ("features.conv0", "features.norm0"),
    **{f"denseblock{i}": (f"features.denseblock{i}", f"features.transition{i}") for i in (1, 2, 3)},
    "denseblock4": ("features.denseblock4", "features.norm5"),
    "head": ("classifier",),
}


def canonical_name(name: str) -> str:
    """Return today's name of a tensor of the published files, `denselayer1.norm.1.bias` -> `denselayer1.norm1.bias`.

    They date from when a module's name could hold a dot. Mirrors torchvision's densenet._load_state_dict.
    """
    return re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.(?=[12]\.)", r"\1", name)


def card(name: str) -> Card:
    """Return the card of one DenseNet."""
    return Card(
        name=name,
        family="densenet",
        tail=("relu", "avgpool"),
        parameters=published_parameters(name),
        stages=STAGES,
        last="classifier",
        pretrained=published(name),
        min_size=published_min_size(name),
        renames=canonical_name,
    )


CARDS = [card(name) for name in SHAPES]
