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
from ft.zoo.card import Pretrained, under
from ft.zoo.published import published

PATH = "backbone.features"
SIZE = 320
EXTRA = (512, 256, 256, 128)  # channels of the maps behind the top
RATIOS = ((2.0, 3.0),) * 6


@dataclass(frozen=True)
class Body:
    """A MobileNet: its blocks, of which the one at `split`, counted from 1, stands in two parts; the top's channels.

    whole: whether all of it has ImageNet's weights; norm: what the BatchNorms of the whole network have instead of
    its own.
    """

    name: str
    stages: dict[str, tuple[str, ...]]
    blocks: Sequence[Any]
    split: int
    top: int
    whole: bool
    norm: dict[str, float]

    @property
    def maps(self) -> int:
        """How many maps the base gives."""
        return 1 + self.whole

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
    def base(self) -> dict[str, tuple[str, ...]]:
        """The stages of the base, by the paths here."""
        bases = tuple(f"{PATH}.{part}" for part in range(self.maps))
        placed = {stage: [own for path in paths for own in self.paths(path)] for stage, paths in self.stages.items()}
        kept = {stage: tuple(path for path in paths if under(path, bases)) for stage, paths in placed.items()}
        return {stage: paths for stage, paths in kept.items() if paths}

    def weights(self, **pixels: Any) -> tuple[Pretrained, ...]:
        """Return its published weights, the first version first. pixels: what is another preprocessing here."""
        entries = sorted(published(self.name), key=lambda entry: entry.name)
        sized = [dataclasses.replace(entry.preprocess, resize=SIZE, crop=SIZE, **pixels) for entry in entries]
        return tuple(dataclasses.replace(own, preprocess=p, top1=None) for own, p in zip(entries, sized, strict=True))


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
        norm={},
    ),
    "mobilenet_v3_large": Body(
        "mobilenet_v3_large",
        without_head(mobilenetv3.stages("mobilenet_v3_large")),
        HALF,
        last_stride(HALF),
        mobilenetv3.top(HALF),
        whole=False,
        norm={"eps": 1e-3, "momentum": 0.03},
    ),
}
