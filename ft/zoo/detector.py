"""The numbers of a detector: what torchvision gives to its parts when it builds one. None of them is a tensor.

Source: torchvision/models/detection/{faster_rcnn,retinanet,fcos,ssd,ssdlite}.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

Four = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """The numbers of one with two stages.

    sizes: of the anchors at each map, in pixels; ratios: height over width; maps: how many of the maps boxes are cut
    out of. Pairs are of training and of inference.

    rpn_*: of the proposals; score, nms, detections: of what is found; *_samples: drawn a picture, of which at most
    *_positive are of an object; *_low, *_high: overlap up to which a box is background, and from which it is an object.
    mask_size: bins a side of what is cut out for a mask, which is said on twice as many points, or for keypoints, which
    are said on four times as many.
    """

    kind: ClassVar[str] = "faster-rcnn"
    sizes: tuple[tuple[float, ...], ...] = ((32,), (64,), (128,), (256,), (512,))
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    maps: int = 4
    rpn_before: tuple[int, int] = (2000, 1000)
    rpn_after: tuple[int, int] = (2000, 1000)
    rpn_nms: float = 0.7
    rpn_score: float = 0.0
    rpn_min_size: float = 1e-3
    rpn_low: float = 0.3
    rpn_high: float = 0.7
    rpn_samples: int = 256
    rpn_positive: float = 0.5
    rpn_weights: Four = (1.0, 1.0, 1.0, 1.0)
    roi_low: float = 0.5
    roi_high: float = 0.5
    roi_samples: int = 512
    roi_positive: float = 0.25
    roi_weights: Four = (10.0, 10.0, 5.0, 5.0)
    roi_size: int = 7
    roi_points: int = 2
    mask_size: int = 14
    score: float = 0.05
    nms: float = 0.5
    min_size: float = 1e-2
    detections: int = 100

    @property
    def of_masks(self) -> "Detector":
        """The same numbers, but that what is cut out is for masks."""
        return replace(self, roi_size=self.mask_size)

    @property
    def anchors(self) -> int:
        """How many anchors a place of a map has."""
        return len(self.sizes[0]) * len(self.ratios)

    def classes_of(self, outputs: int) -> int:
        """Return how many classes a last layer of so many outputs tells apart: one is the background."""
        return outputs - 1


@dataclass(frozen=True, kw_only=True)
class OneStage:
    """The numbers of one that says of every anchor what it holds.

    kind: "retinanet" or "fcos", whose rules it decides by. sizes: of the anchors at each map, in pixels; ratios: height
    over width; low, high: overlap up to which an anchor is background, and from which it is an object; radius: how far
    from the middle of an object it may lie, in its own sizes, where overlap does not count; weights: of what is said of
    it. giou: boxes are compared in the loss, not what is said. score, candidates, nms, detections: of what is found,
    candidates by map. stride: of the first map, which each next one doubles.
    """

    kind: str
    stride: int = 8
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    low: float = 0.4
    high: float = 0.5
    radius: float = 1.5
    weights: Four = (1.0, 1.0, 1.0, 1.0)
    giou: bool = False
    score: float = 0.05
    candidates: int = 1000
    nms: float = 0.5
    detections: int = 300

    @property
    def anchors(self) -> int:
        """How many anchors a place of a map has."""
        return len(self.sizes[0]) * len(self.ratios)

    @property
    def by_place(self) -> tuple[int, ...]:
        """How many anchors a place of each map has."""
        return (self.anchors,) * len(self.sizes)

    def maps(self, image: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return height and width of each map of a picture of that size."""
        strides = [self.stride << number for number in range(len(self.by_place))]
        return tuple((-(-image[0] // stride), -(-image[1] // stride)) for stride in strides)

    @property
    def middles(self) -> bool:
        """Whether it says of an anchor how near it is to the middle of its object."""
        return self.kind == "fcos"

    @property
    def by_batch(self) -> bool:
        """Whether its losses are divided by the objects' anchors of the whole batch, not by those of each picture."""
        return self.kind != "retinanet"

    def classes_of(self, outputs: int) -> int:
        """Return how many classes a last layer of so many outputs tells apart: each anchor has one for each."""
        return outputs // self.anchors


@dataclass(frozen=True, kw_only=True)
class DefaultBoxes(OneStage):
    """Those of SSD, whose anchors are shares of the picture and whose class 0 is background.

    scales: one more than there are maps; shapes: by map, how many times as long as wide boxes are, and as wide as long,
    besides two squares; steps: pixels of the picture between two places of a map, of VGG's six; without, the maps are
    of half the sides each, and their places fill the picture; negatives: how many boxes of background a step learns
    from for each one of an object. candidates: by class.
    """

    kind: str = "ssd"
    sizes: tuple[tuple[float, ...], ...] = ()
    scales: tuple[float, ...]
    shapes: tuple[tuple[float, ...], ...]
    steps: tuple[int, ...] | None = None
    negatives: float = 3.0
    low: float = 0.5
    high: float = 0.5
    weights: Four = (10.0, 10.0, 5.0, 5.0)
    score: float = 0.01
    candidates: int = 400
    nms: float = 0.45
    detections: int = 200

    @property
    def by_place(self) -> tuple[int, ...]:
        """How many anchors a place of each map has."""
        return tuple(2 + 2 * len(own) for own in self.shapes)

    def maps(self, image: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return height and width of each map of a picture of that size."""
        if self.steps is None:
            return super().maps(image)
        height, width = (vgg_sides(side) for side in image)
        return tuple(zip(height, width, strict=True))

    def classes_of(self, outputs: int) -> int:
        """Return how many classes the last map's layer of so many outputs tells apart: one is the background."""
        return outputs // self.by_place[-1] - 1


def vgg_sides(side: int) -> tuple[int, ...]:
    """Return a side of each map of SSD on VGG: three poolings, of which the last keeps an odd row; one; two strides,
    and two kernels without padding.
    """
    first = -(-(side // 2 // 2) // 2)
    second = first // 2
    third = -(-second // 2)
    fourth = -(-third // 2)
    return first, second, third, fourth, fourth - 2, fourth - 4


def one_stage_of(values: Mapping[str, Any]) -> OneStage:
    """Return the numbers of a network of one stage by name."""
    return (DefaultBoxes if values["kind"] == "ssd" else OneStage)(**values)
