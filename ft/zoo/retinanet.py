"""RetinaNet: the cards, and what its parts have. Source: torchvision/models/detection/retinanet.py.

It has no background: classes are the user's, from 0, in the network, too.
"""

import re

from ft.zoo.detector import OneStage
from ft.zoo.fasterrcnn import renamed as renamed_pyramid
from ft.zoo.onestage import Shape, card, parameters_of

OLD_NAME = re.compile(r"(head\.\w+_head\.conv)\.(\d+)\.(weight|bias)")


def scales(*sizes: int) -> tuple[tuple[int, ...], ...]:
    """Return three sizes of anchors for each map, a third of an octave apart."""
    return tuple((size, int(size * 2 ** (1 / 3)), int(size * 2 ** (2 / 3))) for size in sizes)


def renamed(name: str) -> str:
    """Return today's name of a tensor: a convolution of the head once stood by itself, with its ReLU behind it."""
    return OLD_NAME.sub(lambda old: f"{old[1]}.{int(old[2]) // 2}.0.{old[3]}", renamed_pyramid(name))


NUMBERS = OneStage(kind="retinanet", sizes=scales(32, 64, 128, 256, 512))
BOXES = OneStage(kind="retinanet", sizes=NUMBERS.sizes, giou=True)
SMALL = OneStage(kind="retinanet", sizes=((32,), (64,), (128,), (256,), (512,)), detections=100)
SHAPES = {
    "retinanet_resnet50_fpn": Shape(
        body="resnet50", size=800, parameters=parameters_of("retinanet_resnet50_fpn"), detector=NUMBERS, first=1
    ),
    "retinanet_resnet50_fpn_v2": Shape(
        body="resnet50",
        size=800,
        parameters=parameters_of("retinanet_resnet50_fpn_v2"),
        detector=BOXES,
        first=1,
        top=True,
        frozen=False,
        groups=32,
    ),
    "retinanet_mobilenet_v2_fpn": Shape(
        body="mobilenet_v2", size=320, parameters=4_618_589, detector=SMALL, channels=128, groups=32
    ),
}
CARDS = [card("retinanet", name, shape, renames=renamed) for name, shape in SHAPES.items()]
