"""The numbers of a two-stage detector: what torchvision gives to its parts when it builds one.

Source: torchvision/models/detection/faster_rcnn.py. None of them is a tensor.
"""

from dataclasses import dataclass, replace

Four = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """sizes: of the anchors at each map, in pixels; ratios: height over width; maps: how many of the maps boxes are
    cut out of. Pairs are of training and of inference.

    rpn_*: of the proposals; score, nms, detections: of what is found; *_samples: drawn a picture, of which at most
    *_positive are of an object; *_low, *_high: overlap up to which a box is background, and from which it is an object.
    mask_size: bins a side of what is cut out for a mask, which is said on twice as many points, or for keypoints, which
    are said on four times as many.
    """

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
