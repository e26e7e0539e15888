"""FCOS: the cards, and what its parts have. Source: torchvision/models/detection/fcos.py.

An anchor stands for a place: what counts is where its middle lies. Classes are the user's, from 0, in the network, too.
"""

from ft.zoo.detector import OneStage
from ft.zoo.fasterrcnn import renamed
from ft.zoo.onestage import Shape, card, parameters_of

NUMBERS = OneStage(
    kind="fcos",
    sizes=((8,), (16,), (32,), (64,), (128,)),
    ratios=(1.0,),
    giou=True,
    score=0.2,
    nms=0.6,
    detections=100,
)
SHAPES = {
    "fcos_resnet50_fpn": Shape(
        body="resnet50", size=800, parameters=parameters_of("fcos_resnet50_fpn"), detector=NUMBERS, first=1, groups=32
    ),
    "fcos_mobilenet_v2_fpn": Shape(
        body="mobilenet_v2", size=320, parameters=4_401_696, detector=NUMBERS, channels=128, groups=32
    ),
}
CARDS = [card("fcos", name, shape, renames=renamed) for name, shape in SHAPES.items()]
