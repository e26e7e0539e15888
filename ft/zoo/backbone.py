"""Backbones: what segmentation networks take of classification networks, dilated, and at which taps.

Source: torchvision/models/segmentation, whose rule for MobileNetV3 serves MobileNetV2, too: the last map, at a
sixteenth of the image, and the last one at an eighth; a ResNet's last two layers are at an eighth.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ft.zoo.card import Pretrained, under
from ft.zoo.mobilenetv2 import TOP as V2_TOP
from ft.zoo.mobilenetv2 import blocks as v2_blocks
from ft.zoo.mobilenetv2 import stages as v2_stages
from ft.zoo.mobilenetv3 import SHAPES as V3_SHAPES
from ft.zoo.mobilenetv3 import stages as v3_stages
from ft.zoo.mobilenetv3 import top as v3_top
from ft.zoo.published import published
from ft.zoo.resnet import STAGES as RESNET_STAGES
from ft.zoo.voc import SIZE, voc_weights

Block = TypeVar("Block", bound=Any)
PATH = "backbone"
USUAL = {"data": "scenes", "lr": 0.1, "batch_size": 8, "schedule": "poly"}  # a mean over pixels has small gradients
DILATED = 2  # layers of a ResNet


@dataclass(frozen=True)
class Backbone:
    """A classification network without its head. start: what its paths begin with there, where `PATH` stands here.

    deep, shallow: module paths of the two maps that heads take, and their channels.
    """

    name: str
    start: str
    stages: dict[str, tuple[str, ...]]
    deep: tuple[str, int]
    shallow: tuple[str, int]

    def weights(self) -> tuple[Pretrained, ...]:
        """Return its published weights, as torchvision's segmentation networks take them: the first version first."""
        entries = sorted(published(self.name), key=lambda entry: entry.name)
        return tuple(dataclasses.replace(entry, preprocess=sized(entry), top1=None) for entry in entries)

    def place(self, name: str) -> str | None:
        """Return the name here of a tensor of the classification network, None for one of its head."""
        path = f"{PATH}.{name.removeprefix(self.start)}" if name.startswith(self.start) else ""
        return path if any(under(path, prefixes) for prefixes in self.stages.values()) else None


def card_fields(network: str, backbone: Backbone, *, deep: str, shallow: str | None) -> dict[str, Any]:
    """Return what the card of a segmentation network takes from its backbone. deep, shallow: names of the taps."""
    taps = {deep: backbone.deep[0], **({shallow: backbone.shallow[0]} if shallow else {})}
    return {
        "name": network,
        "task": "segmentation",
        "taps": taps,
        "backbone": backbone.place,
        "pretrained": (*backbone.weights(), *voc_weights(network)),
        "classes": 21,
        "usual": lambda fields: USUAL,
        "tail": (),
        "pool": None,
    }


def sized(entry: Pretrained) -> Any:
    """Return the preprocessing of weights for whole pictures."""
    return dataclasses.replace(entry.preprocess, resize=SIZE, crop=SIZE)


def moved(stages: dict[str, tuple[str, ...]], start: str, *, below: str = PATH) -> dict[str, tuple[str, ...]]:
    """Return the stages of a classification network but its head, their paths below `PATH`, or below another."""
    return {
        stage: tuple(f"{below}.{path.removeprefix(start)}" for path in paths)
        for stage, paths in stages.items()
        if stage != "head"
    }


def dilated(blocks: Sequence[Block]) -> list[Block]:
    """Return inverted residual blocks, the last stride and all behind it turned into a dilation of 2."""
    last = max(place for place, block in enumerate(blocks) if block.stride > 1)
    turned = [dataclasses.replace(block, stride=1, dilation=2) for block in blocks[last:]]
    return [*blocks[:last], *turned]


def inverted(name: str, stages: dict[str, tuple[str, ...]], blocks: Sequence[Any], top: int) -> Backbone:
    """Return the backbone of a MobileNet: its last map, and that of its third block with a stride, from the last on."""
    strided = [place for place, block in enumerate(blocks, start=1) if block.stride > 1]
    shallow = strided[-3]
    return Backbone(
        name,
        "features.",
        moved(stages, "features."),
        deep=(f"{PATH}.{len(blocks) + 1}", top),
        shallow=(f"{PATH}.{shallow}", blocks[shallow - 1].channels),
    )


def residual(name: str) -> Backbone:
    """Return the backbone of a ResNet of bottlenecks."""
    return Backbone(name, "", moved(RESNET_STAGES, ""), deep=(f"{PATH}.layer4", 2048), shallow=(f"{PATH}.layer3", 1024))


V3 = V3_SHAPES["mobilenet_v3_large"].blocks
BACKBONES = {
    "resnet50": residual("resnet50"),
    "resnet101": residual("resnet101"),
    "mobilenet_v3_large": inverted("mobilenet_v3_large", v3_stages("mobilenet_v3_large"), V3, v3_top(V3)),
    "mobilenet_v2": inverted("mobilenet_v2", v2_stages(), v2_blocks(), V2_TOP),
}
