"""Keypoint R-CNN: Faster R-CNN with a head more, which says the keypoints of each box.

Source: torchvision/models/detection/keypoint_rcnn.py.
"""

from dataclasses import replace

from ft.zoo import fasterrcnn
from ft.zoo.card import Card
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.fasterrcnn import SMALL, Shape

KEYPOINTS = 17  # of a person in COCO
LAST = "roi_heads.keypoint_predictor.kps_score_lowres"
SHAPES = {
    "keypointrcnn_resnet50_fpn": Shape(
        body="resnet50",
        size=800,
        parameters=FILES["keypointrcnn_resnet50_fpn"][2],
        point_convs=8,
        point_hidden=512,
    ),
    "keypointrcnn_mobilenet_v2_fpn": Shape(
        body="mobilenet_v2",
        size=320,
        parameters=7_067_370,
        detector=SMALL,
        channels=128,
        hidden=512,
        point_convs=4,
        point_hidden=128,
    ),
}


def card(name: str, shape: Shape) -> Card:
    """Return the card of one Keypoint R-CNN."""
    boxes = fasterrcnn.card(name, shape)
    return replace(
        boxes,
        family="keypointrcnn",
        task="keypoints",
        beside=(*boxes.beside, LAST),
        pretrained=(*shape.pyramid.weights(shape.size), *coco_weights(name, shape.size, ("person",))),
        classes=1,
        keypoints=KEYPOINTS,
    )


CARDS = [card(name, shape) for name, shape in SHAPES.items()]
