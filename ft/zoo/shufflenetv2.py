"""ShuffleNetV2: the shapes that the Keras port builds from, and the cards.

Source: torchvision/models/shufflenetv2.py.
"""

from dataclasses import dataclass

from ft.zoo.card import Card
from ft.zoo.published import published, published_parameters

STEM = 24
DEPTHS = (4, 8, 4)  # blocks of stage2, stage3 and stage4


@dataclass(frozen=True)
class Shape:
    """The output channels of stage2 to stage4, and of the last convolution."""

    channels: tuple[int, int, int]
    top: int


SHAPES = {
    "shufflenet_v2_x0_5": Shape((48, 96, 192), 1024),
    "shufflenet_v2_x1_0": Shape((116, 232, 464), 1024),
    "shufflenet_v2_x1_5": Shape((176, 352, 704), 1024),
    "shufflenet_v2_x2_0": Shape((244, 488, 976), 2048),
}

STAGES = {
    "stem": ("conv1",),
    **{stage: (stage,) for stage in ("stage2", "stage3", "stage4")},
    "top": ("conv5",),
    "head": ("fc",),
}


def card(name: str) -> Card:
    """Return the card of one ShuffleNetV2."""
    return Card(
        name=name,
        family="shufflenetv2",
        tail=("mean",),
        pool="mean",
        parameters=published_parameters(name),
        stages=STAGES,
        last="fc",
        pretrained=published(name),
    )


CARDS = [card(name) for name in SHAPES]
