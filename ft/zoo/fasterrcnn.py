"""Faster R-CNN: the cards, and what its parts have. Source: torchvision/models/detection/faster_rcnn.py.

Classes are the user's, from 0; in the network 0 is background and they begin at 1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ft.recipe import checked
from ft.zoo.card import Card
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.detector import Detector
from ft.zoo.pyramid import PYRAMIDS, Pyramid

EVERY_SIZE = (32, 64, 128, 256, 512)  # of the anchors at each map where maps are of one size
USUAL = {"data": "scenes", "lr": 0.005, "batch_size": 4, "schedule": "cosine", "warmup_epochs": 3, "epochs": 8}
OLD_NAME = re.compile(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+|rpn\.head\.conv)\.(weight|bias)")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A network's parts. size: of its pictures; channels: of the pyramid's maps; hidden: of the head's layers.

    frozen: the backbone's BatchNorms are frozen ones, whose numbers never move; without, the pyramid and the head have
    BatchNorms, too. rpn_convs, box_convs: 3x3 convolutions in the proposals' head and in that of the boxes, where
    there are any in place of the first of two linear layers. mask_convs: those in the head of masks, where it has one;
    point_convs: those of point_hidden channels in that of keypoints.
    """

    body: str
    size: int
    parameters: int
    detector: Detector = field(default_factory=Detector)
    channels: int = 256
    hidden: int = 1024
    frozen: bool = True
    rpn_convs: int = 1
    box_convs: int = 0
    mask_convs: int = 0
    point_convs: int = 0
    point_hidden: int = 0

    @property
    def pyramid(self) -> Pyramid:
        """What its maps are made of."""
        return PYRAMIDS[self.body]


MOBILE = Detector(sizes=(EVERY_SIZE,) * 3, maps=2, rpn_score=0.05)
SMALL = Detector(
    sizes=((32,), (64,), (128,), (256,)), maps=3, rpn_before=(1000, 600), rpn_after=(1000, 300), roi_samples=128
)
QUICK = Detector(sizes=(EVERY_SIZE,) * 3, maps=2, rpn_score=0.05, rpn_before=(2000, 150), rpn_after=(2000, 150))
SHAPES = {
    "fasterrcnn_resnet50_fpn": Shape(body="resnet50", size=800, parameters=FILES["fasterrcnn_resnet50_fpn"][2]),
    "fasterrcnn_resnet50_fpn_v2": Shape(
        body="resnet50",
        size=800,
        parameters=FILES["fasterrcnn_resnet50_fpn_v2"][2],
        frozen=False,
        rpn_convs=2,
        box_convs=4,
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": Shape(
        body="mobilenet_v3_large",
        size=800,
        parameters=FILES["fasterrcnn_mobilenet_v3_large_fpn"][2],
        detector=MOBILE,
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Shape(
        body="mobilenet_v3_large",
        size=320,
        parameters=FILES["fasterrcnn_mobilenet_v3_large_320_fpn"][2],
        detector=QUICK,
    ),
    "fasterrcnn_resnet18_fpn": Shape(body="resnet18", size=640, parameters=28_730_006),
    "fasterrcnn_mobilenet_v2_fpn": Shape(
        body="mobilenet_v2", size=320, parameters=6_670_486, detector=SMALL, channels=128, hidden=512
    ),
}


def usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that it is usually trained with; the warm-up ends before a short training does."""
    epochs = checked("epochs", fields.get("epochs", USUAL["epochs"]))
    warmup = 0 if fields.get("schedule") == "one-cycle" else min(USUAL["warmup_epochs"], epochs - 1)
    return {**USUAL, "warmup_epochs": warmup}


def renamed(name: str) -> str:
    """Return today's name of a tensor: before torchvision 0.14 a convolution of the pyramid stood by itself."""
    return OLD_NAME.sub(lambda old: f"{old[1]}.0{'.0' if old[1].startswith('rpn') else ''}.{old[2]}", name)


def card(name: str, shape: Shape) -> Card:
    """Return the card of one Faster R-CNN."""
    return Card(
        name=name,
        family="fasterrcnn",
        parameters=shape.parameters,
        stages={**shape.pyramid.stages, "fpn": ("backbone.fpn",), "rpn": ("rpn",), "head": ("roi_heads",)},
        behind=("fpn", "rpn", "head"),
        last="roi_heads.box_predictor.cls_score",
        beside=("roi_heads.box_predictor.bbox_pred",),
        task="detection",
        taps=shape.pyramid.taps,
        detector=shape.detector,
        backbone=partial(shape.pyramid.place, frozen=shape.frozen),
        pretrained=(*shape.pyramid.weights(shape.size), *coco_weights(name, shape.size)),
        renames=renamed,
        classes=90,
        usual=usual,
        tail=(),
        pool=None,
    )


CARDS = [card(name, shape) for name, shape in SHAPES.items()]
