"""Mask R-CNN: Faster R-CNN with a head more, which says the mask of each box.

Source: torchvision/models/detection/mask_rcnn.py.
"""

import re
from dataclasses import replace

from ft.zoo import fasterrcnn
from ft.zoo.card import Card
from ft.zoo.coco import FILES
from ft.zoo.fasterrcnn import SMALL, Shape

LAST = "roi_heads.mask_predictor.mask_fcn_logits"
OLD_NAME = re.compile(r"roi_heads\.mask_head\.mask_fcn(\d+)\.(weight|bias)")
SHAPES = {
    "maskrcnn_resnet50_fpn": Shape(
        body="resnet50", size=800, parameters=FILES["maskrcnn_resnet50_fpn"][2], mask_convs=4
    ),
    "maskrcnn_resnet50_fpn_v2": Shape(
        body="resnet50",
        size=800,
        parameters=FILES["maskrcnn_resnet50_fpn_v2"][2],
        frozen=False,
        rpn_convs=2,
        box_convs=4,
        mask_convs=4,
    ),
    "maskrcnn_mobilenet_v2_fpn": Shape(
        body="mobilenet_v2", size=320, parameters=7_043_057, detector=SMALL, channels=128, hidden=512, mask_convs=2
    ),
}


def renamed(name: str) -> str:
    """Return today's name of a tensor, see ft/zoo/fasterrcnn.py."""
    return OLD_NAME.sub(lambda old: f"roi_heads.mask_head.{int(old[1]) - 1}.0.{old[2]}", fasterrcnn.renamed(name))


def card(name: str, shape: Shape) -> Card:
    """Return the card of one Mask R-CNN."""
    boxes = fasterrcnn.card(name, shape)
    return replace(boxes, family="maskrcnn", task="instances", beside=(*boxes.beside, LAST), renames=renamed)


CARDS = [card(name, shape) for name, shape in SHAPES.items()]
