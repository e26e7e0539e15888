"""MobileNetV2: the blocks that the Keras port builds from, and the card. Source: torchvision/models/mobilenetv2.py."""

from dataclasses import dataclass
from itertools import groupby

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

STEM, TOP = 32, 1280

# expansion, output channels, number of blocks, stride of the first
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True)
class Block:
    """One inverted residual block and its module path."""

    path: str
    stage: int
    expansion: int
    channels: int
    stride: int
    dilation: int = 1


def blocks(path: str = "features") -> list[Block]:
    """Return the blocks in order, features.1 to features.17, or below another path."""
    rows = [
        (stage, expansion, channels, stride if index == 0 else 1)
        for stage, (expansion, channels, depth, stride) in enumerate(STAGES, start=1)
        for index in range(depth)
    ]
    return [Block(f"{path}.{place}", *row) for place, row in enumerate(rows, start=1)]


def stages() -> dict[str, tuple[str, ...]]:
    """Return the module paths of each stage."""
    inner = groupby(blocks(), key=lambda block: block.stage)
    return {
        "stem": ("features.0",),
        **{f"stage{stage}": tuple(block.path for block in group) for stage, group in inner},
        "top": (f"features.{len(blocks()) + 1}",),
        "head": ("classifier",),
    }


CARDS = [
    Card(
        name="mobilenet_v2",
        family="mobilenetv2",
        parameters=published_parameters("mobilenet_v2"),
        stages=stages(),
        last="classifier.1",
        pretrained=published("mobilenet_v2"),
        dropout=0.2,
    )
]
