"""SSD on VGG-16: what its parts have, and the card. Source: torchvision/models/detection/ssd.py.

Classes are the user's, from 0; in the network 0 is background and they begin at 1.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from ft.zoo.card import Card, Pretrained
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.detector import DefaultBoxes
from ft.zoo.fasterrcnn import USUAL, usual
from ft.zoo.published import published
from ft.zoo.vgg import Block, blocks

VGG = blocks("vgg16")
SIZE = 300
MIN_SIZE = 268  # from there on the last block but one has a map of 3 x 3 for its kernel
MEAN, STD = (0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)  # of the pixels, of 0 to 1
NUMBERS = DefaultBoxes(
    scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
    shapes=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
    steps=(8, 16, 32, 64, 100, 300),
)
START = 20.0  # what the norm of every pixel of the first map begins with
WIDE = 1024  # channels of what VGG's linear layers became: a dilated convolution and one of 1 x 1
REACH = 6  # its dilation
FULL = "backbone.extra.0.7"  # both
CEILED = VGG[2].pool  # the pooling that keeps a last odd row
CUT = VGG[3].pool  # where the first map ends: what is behind it in VGG stands in `backbone.extra.0`
# channels between and behind; the stride of the second convolution, which is padded where it has one
EXTRA = ((256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1))


def path_of(place: int) -> str:
    """Return the module path here of a layer of VGG's `features`."""
    return f"backbone.features.{place}" if place < CUT else f"backbone.extra.0.{place - CUT}"


TAPS = {"0": path_of(CUT - 1), "1": path_of(VGG[-1].pool - 1)}


def paths_of(block: Block) -> tuple[str, ...]:
    """Return the module paths of a block's layers."""
    return tuple(path_of(place) for place in range(block.convs[0], block.pool))


def stages() -> dict[str, tuple[str, ...]]:
    """Return the module paths of each stage: VGG's blocks, what is added behind them, and the head."""
    return {
        **{f"block{number}": paths_of(block) for number, block in enumerate(VGG, start=1)},
        "extra": ("backbone.scale_weight", FULL, *(f"backbone.extra.{i}" for i in range(1, len(EXTRA) + 1))),
        "head": ("head",),
    }


def place(name: str) -> str | None:
    """Return the name here of a tensor of VGG-16, None for one of its classifier."""
    part, _, rest = name.partition(".")
    number, _, leaf = rest.partition(".")
    return f"{path_of(int(number))}.{leaf}" if part == "features" else None


def with_pixels(entries: Iterable[Pretrained], **pixels: Any) -> tuple[Pretrained, ...]:
    """Return published weights with what is another preprocessing here; they classify nothing."""
    return tuple(
        dataclasses.replace(entry, preprocess=dataclasses.replace(entry.preprocess, **pixels), top1=None)
        for entry in entries
    )


def card(name: str, *, detector: DefaultBoxes, inner: str = "", lr: float = USUAL["lr"], **fields: Any) -> Card:
    """Return the card of an SSD. inner: the path of the layer that gives the logits in the part for each map; lr: that
    it is usually trained with.
    """
    layers = [f"head.classification_head.module_list.{place}{inner}" for place in range(len(detector.shapes))]
    return Card(
        name=name,
        last=layers[-1],
        beside=tuple(layers[:-1]),
        task="detection",
        detector=detector,
        classes=90,
        usual=lambda given: {**usual(given), "lr": lr},
        tail=(),
        pool=None,
        **fields,
    )


PIXELS = {"resize": SIZE, "crop": SIZE, "mean": MEAN, "std": STD}
FEATURES = [entry for entry in published("vgg16") if entry.name == "IMAGENET1K_FEATURES"]  # trained on these pixels
CARDS = [
    card(
        "ssd300_vgg16",
        family="ssd",
        parameters=FILES["ssd300_vgg16"][2],
        detector=NUMBERS,
        stages=stages(),
        behind=("extra", "head"),
        taps=TAPS,
        backbone=place,
        pretrained=with_pixels((*FEATURES, *coco_weights("ssd300_vgg16", SIZE)), **PIXELS),
        min_size=MIN_SIZE,
        lr=0.00025,  # torchvision's 0.002 is for 32 pictures, and there is no BatchNorm
    )
]
