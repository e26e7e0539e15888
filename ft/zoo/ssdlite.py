"""SSDlite, SSD of depthwise convolutions on a MobileNet: the cards. Source: torchvision/models/detection/ssdlite.py.

The first map is what the last block with a stride expands its input to, so that block stands in two parts; the second
map is the top. torchvision's own on MobileNetV3 has half of its channels behind the first map. ImageNet's weights have
nothing for these, so all of that is behind the base, while the one on MobileNetV2 has its whole body.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft.zoo import mobilenetv2, mobilenetv3
from ft.zoo.card import Card, under
from ft.zoo.coco import FILES, coco_weights
from ft.zoo.detector import DefaultBoxes
from ft.zoo.published import published
from ft.zoo.ssd import card, with_pixels

PATH = "backbone.features"
SIZE = 320
EXTRA = (512, 256, 256, 128)  # channels of the maps behind the top
NORM = {"eps": 1e-3, "momentum": 0.03}  # of the BatchNorms
HALVES = (0.5, 0.5, 0.5)  # mean and standard deviation of the pixels
NUMBERS = DefaultBoxes(
    stride=16,
    scales=(0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
    shapes=((2.0, 3.0),) * 6,
    score=0.001,
    candidates=300,
    nms=0.55,
    detections=300,
)


@dataclass(frozen=True)
class Body:
    """A MobileNet: its blocks, of which the one at `split`, counted from 1, stands in two parts; the top's channels.

    whole: whether all of it has ImageNet's weights, with the pixels and the BatchNorms that belong to them.
    """

    name: str
    stages: dict[str, tuple[str, ...]]
    blocks: Sequence[Any]
    split: int
    top: int
    whole: bool

    @property
    def maps(self) -> int:
        """How many maps the base gives."""
        return 2 if self.whole else 1

    def paths(self, name: str) -> list[str]:
        """Return the module paths here of one there, and of all below it: a block may stand in two parts."""
        _, number, *inner = name.split(".")
        behind = int(number) - self.split
        if behind:
            place = [number] if behind < 0 else [str(behind)]
            return [".".join([PATH, "0" if behind < 0 else "1", *place, *inner])]
        if not inner:
            return [f"{PATH}.0.{number}", f"{PATH}.1.0"]
        _, part, *leaf = inner
        return [".".join([PATH, "0", number, *leaf] if part == "0" else [PATH, "1", "0", part, *leaf])]

    def place(self, name: str) -> str | None:
        """Return the name here of a tensor of the MobileNet, None for one that has no place here."""
        (path, *_) = self.paths(name) if name.startswith("features.") else ("",)
        return path if any(under(path, (f"{PATH}.{part}",)) for part in range(self.maps)) else None

    @property
    def taps(self) -> dict[str, str]:
        """These maps by tap."""
        return {str(part): f"{PATH}.{part}" for part in range(self.maps)}

    @property
    def base(self) -> dict[str, tuple[str, ...]]:
        """The stages of the base, by the paths here."""
        bases = tuple(f"{PATH}.{part}" for part in range(self.maps))
        placed = {stage: [own for path in paths for own in self.paths(path)] for stage, paths in self.stages.items()}
        kept = {stage: tuple(path for path in paths if under(path, bases)) for stage, paths in placed.items()}
        return {stage: paths for stage, paths in kept.items() if paths}


def halved(blocks: Sequence[mobilenetv3.Block], split: int) -> list[mobilenetv3.Block]:
    """Return blocks that from the one in two parts on give half of their channels, and are half as wide behind it."""
    ends = [dataclasses.replace(block, channels=block.channels // 2) for block in blocks[split - 1 :]]
    behind = [dataclasses.replace(block, wide=block.wide // 2) for block in ends[1:]]
    return [*blocks[: split - 1], ends[0], *behind]


def last_stride(blocks: Sequence[Any]) -> int:
    """Return the place of the last block with a stride, counted from 1."""
    return max(place for place, block in enumerate(blocks, start=1) if block.stride > 1)


def without_head(stages: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the stages of a network but its head."""
    return {stage: paths for stage, paths in stages.items() if stage != "head"}


V2, V3 = mobilenetv2.blocks(), mobilenetv3.SHAPES["mobilenet_v3_large"].blocks
HALF = halved(V3, last_stride(V3))
BODIES = {
    "mobilenet_v2": Body(
        "mobilenet_v2",
        without_head(mobilenetv2.stages()),
        V2,
        last_stride(V2),
        mobilenetv2.TOP,
        whole=True,
    ),
    "mobilenet_v3_large": Body(
        "mobilenet_v3_large",
        without_head(mobilenetv3.stages("mobilenet_v3_large")),
        HALF,
        last_stride(HALF),
        mobilenetv3.top(HALF),
        whole=False,
    ),
}
PARAMETERS = {
    "ssdlite320_mobilenet_v2": 4_664_988,
    "ssdlite320_mobilenet_v3_large": FILES["ssdlite320_mobilenet_v3_large"][2],
}


def lite_card(name: str) -> Card:
    """Return the card of one SSDlite."""
    body = body_of(name)
    behind = {"tail": (f"{PATH}.1",)} if not body.whole else {}
    pixels = {"resize": SIZE, "crop": SIZE, **({} if body.whole else {"mean": HALVES, "std": HALVES})}
    entries = sorted(published(body.name), key=lambda entry: entry.name)
    return card(
        name,
        family="ssdlite",
        parameters=PARAMETERS[name],
        detector=NUMBERS,
        inner=".1",
        stages={**body.base, **behind, "extra": ("backbone.extra",), "head": ("head",)},
        behind=(*behind, "extra", "head"),
        taps=body.taps,
        backbone=body.place,
        pretrained=with_pixels((*entries, *coco_weights(name, SIZE)), **pixels),
    )


def body_of(name: str) -> Body:
    """Return the MobileNet of a network."""
    return BODIES[name.removeprefix("ssdlite320_")]


CARDS = [lite_card(name) for name in PARAMETERS]
