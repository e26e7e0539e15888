"""The numbers of a detector: what torchvision gives to its parts when it builds one. None of them is a tensor.

Source: torchvision/models/detection/{faster_rcnn,retinanet,fcos}.py.
"""

from dataclasses import dataclass
from typing import ClassVar

Four = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """The numbers of one with two stages.

    sizes: of the anchors at each map, in pixels; ratios: height over width; maps: how many of the maps boxes are cut
    out of. Pairs are of training and of inference.

    rpn_*: of the proposals; score, nms, detections: of what is found; *_samples: drawn a picture, of which at most
    *_positive are of an object; *_low, *_high: overlap up to which a box is background, and from which it is an object.
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
    score: float = 0.05
    nms: float = 0.5
    min_size: float = 1e-2
    detections: int = 100

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

    def maps(self, image: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return height and width of each map of a picture of that size."""
        strides = [self.stride << number for number in range(len(self.sizes))]
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
