"""Feature pyramids: which maps of a classification network they are made of, finest first.

Source: torchvision/models/detection/backbone_utils.py. Its rule for a MobileNet is the first block of the last size and
the top, two maps of one size; MobileNetV2 gives the last block of each size from an eighth on, and the top.
"""

import dataclasses
from dataclasses import dataclass

from ft.zoo.backbone import moved
from ft.zoo.card import Pretrained, under
from ft.zoo.mobilenetv2 import TOP as V2_TOP
from ft.zoo.mobilenetv2 import blocks as v2_blocks
from ft.zoo.mobilenetv2 import stages as v2_stages
from ft.zoo.mobilenetv3 import SHAPES as V3_SHAPES
from ft.zoo.mobilenetv3 import stages as v3_stages
from ft.zoo.mobilenetv3 import top as v3_top
from ft.zoo.published import published
from ft.zoo.resnet import SHAPES as RESNETS
from ft.zoo.resnet import STAGES as RESNET_STAGES

PATH = "backbone.body"
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Pyramid:
    """A classification network without its head. start: what its paths begin with there, where `PATH` stands here.

    maps: names of modules below `PATH`, and the channels that they give.
    """

    name: str
    start: str
    stages: dict[str, tuple[str, ...]]
    maps: tuple[tuple[str, int], ...]

    @property
    def taps(self) -> dict[str, str]:
        """The maps by the names that torchvision gives them: "0" is the finest."""
        return {str(number): f"{PATH}.{name}" for number, (name, _) in enumerate(self.maps)}

    @property
    def channels(self) -> list[int]:
        """The channels of the maps."""
        return [channels for _, channels in self.maps]

    def weights(self, size: int) -> tuple[Pretrained, ...]:
        """Return its published weights, the first version first. size: of the pictures here."""
        entries = sorted(published(self.name), key=lambda entry: entry.name)
        sized = [dataclasses.replace(entry.preprocess, resize=size, crop=size) for entry in entries]
        pairs = zip(entries, sized, strict=True)
        return tuple(dataclasses.replace(entry, preprocess=pixels, top1=None) for entry, pixels in pairs)

    def place(self, name: str, *, frozen: bool) -> str | None:
        """Return the name here of a tensor of the classification network, None for one of its head.

        frozen: BatchNorms are frozen ones, which count no batches.
        """
        if not name.startswith(self.start) or (frozen and name.endswith(COUNTER)):
            return None
        path = f"{PATH}.{name.removeprefix(self.start)}"
        return path if any(under(path, prefixes) for prefixes in self.stages.values()) else None


def residual(name: str) -> Pyramid:
    """Return what a ResNet gives: the maps behind its four layers."""
    wide = 4 if RESNETS[name].block == "bottleneck" else 1
    maps = tuple((f"layer{number + 1}", (64 << number) * wide) for number in range(4))
    return Pyramid(name, "", moved(RESNET_STAGES, "", below=PATH), maps)


V2, V3 = v2_blocks(), V3_SHAPES["mobilenet_v3_large"].blocks
LAST = max(place for place, block in enumerate(V3, start=1) if block.stride > 1)
PYRAMIDS = {
    "resnet18": residual("resnet18"),
    "resnet50": residual("resnet50"),
    "mobilenet_v2": Pyramid(
        "mobilenet_v2",
        "features.",
        moved(v2_stages(), "features.", below=PATH),
        (("6", V2[5].channels), ("13", V2[12].channels), ("18", V2_TOP)),
    ),
    "mobilenet_v3_large": Pyramid(
        "mobilenet_v3_large",
        "features.",
        moved(v3_stages("mobilenet_v3_large"), "features.", below=PATH),
        ((str(LAST), V3[LAST - 1].channels), (str(len(V3) + 1), v3_top(V3))),
    ),
}
