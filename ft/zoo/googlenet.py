"""GoogLeNet: widths that the Keras port builds from, and the card. Source: torchvision/models/googlenet.py."""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_min_size


@dataclass(frozen=True)
class Block:
    """Channels of an inception block: each branch's output, and what its 3x3 convolutions are given, if reduced."""

    ones: int
    reduced3: int
    threes: int
    reduced5: int
    fives: int
    pooled: int


BLOCKS = {
    "inception3a": Block(64, 96, 128, 16, 32, 32),
    "inception3b": Block(128, 128, 192, 32, 96, 64),
    "inception4a": Block(192, 96, 208, 16, 48, 64),
    "inception4b": Block(160, 112, 224, 24, 64, 64),
    "inception4c": Block(128, 128, 256, 24, 64, 64),
    "inception4d": Block(112, 144, 288, 32, 64, 64),
    "inception4e": Block(256, 160, 320, 32, 128, 128),
    "inception5a": Block(256, 160, 320, 32, 128, 128),
    "inception5b": Block(384, 192, 384, 48, 128, 128),
}

STAGES = {
    "stem": ("conv1", "conv2", "conv3"),
    **{f"inception{i}": tuple(path for path in BLOCKS if path[-2] == str(i)) for i in (3, 4, 5)},
    "aux1": ("aux1",),
    "aux2": ("aux2",),
    "head": ("dropout", "fc"),
}

CARDS = [
    Card(
        name="googlenet",
        family="googlenet",
        parameters=13_004_888,  # with the auxiliary heads, which torchvision's published 6 624 904 leave out
        stages=STAGES,
        last="fc",
        pretrained=published("googlenet"),
        dropout=0.2,
        auxiliary={"aux2.fc2": 0.3, "aux1.fc2": 0.3},  # weights: Szegedy et al., "Going deeper", CVPR 2015, section 5
        min_size=published_min_size("googlenet"),
    )
]
