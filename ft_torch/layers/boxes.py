"""Between a network and what is decided about its boxes on the host; boxes cut out of maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import roi_align

from ft.errors import RecipeError
from ft.network.boxes.anchors import Shape
from ft.network.boxes.detections import detect
from ft.network.boxes.levels import scales
from ft.network.boxes.masks import found_rois, mask_lesson
from ft.network.boxes.onestage import find
from ft.network.boxes.onestage import lesson as anchor_lesson
from ft.network.boxes.points import point_lesson, points_in
from ft.network.boxes.proposals import propose
from ft.network.boxes.roi import cuts
from ft.network.boxes.sizes import Sizes
from ft.network.boxes.ssd import shares
from ft.network.boxes.training import cut_out, lesson
from ft.zoo.detector import Detector, OneStage
from ft_torch.layers.native import Native, NativeDecider, onnx_suppressed, suppressed
from ft_torch.layers.native_onestage import find as native_find
from ft_torch.layers.noise import Noise

Maps = dict[str, Tensor]


class Decisions(Noise, Native):
    """What a detector decides, by ft/network/boxes: `at` maps and a picture of some sizes. It has no tensors.

    Outside of `noise(...)`, in a user's own loop, samples are drawn from torch's generator.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def at(self, maps: Sequence[Shape], image: Shape, sizes: Sizes = None) -> "Decider | NativeDecider":
        """Return what decides for maps and pictures of these sizes, at the step that is set now.

        sizes: of the pictures in what is given, whose height and width are `image`.
        """
        if torch.compiler.is_exporting():
            return NativeDecider(self.detector, maps, image, onnx_suppressed() if self.for_onnx else suppressed)
        return Decider(self, {"image": image, "maps": tuple(maps), "detector": self.detector, "sizes": sizes})

    def moment(self) -> tuple[int, int, int]:
        """Return the key of the draws, the step, and the position of the first picture."""
        if self.clock is None:
            return int(torch.randint(2**62, ())), 0, 0
        step, first = self.clock.tolist()
        return self.keys[0], step, first


class Decider:
    """The decisions of one forward pass: tensors in and out, NumPy in between, no gradient."""

    def __init__(self, layer: Decisions, sizes: dict) -> None:
        self.layer, self.sizes = layer, sizes

    def rois(self, objectness: Tensor, deltas: Tensor) -> Maps:
        """Return the proposals: "rois" (K, 4), "pictures" and "maps" (K,)."""
        proposals = propose(host(objectness), host(deltas), **self.sizes, training=False)
        return like(objectness, cut_out([own.boxes for own in proposals], **self.sizes))

    def lesson(self, objectness: Tensor, deltas: Tensor, targets: Mapping[str, Tensor]) -> Maps:
        """Return what a step learns from, see `Lesson`."""
        truth = host(targets["boxes"]), host(targets["box_labels"])
        drawn = lesson(host(objectness), host(deltas), *truth, **self.sizes, clock=self.layer.moment())
        return like(objectness, drawn._asdict())

    def found(self, logits: Tensor, said: Tensor, rois: Maps, *, count: int) -> Maps:
        """Return what is found in `count` pictures, see `Found`."""
        cut = host(rois["rois"]).astype(np.float64), host(rois["pictures"])
        options = {name: self.sizes[name] for name in ("image", "detector", "sizes")}
        return like(logits, detect(host(logits), host(said), *cut, count=count, **options)._asdict())

    def masks(self, lesson: Maps, masks: Tensor) -> Maps:
        """Return what a step learns of masks, see `MaskLesson`."""
        options = {name: self.sizes[name] for name in ("image", "detector", "sizes")}
        return like(lesson["rois"], mask_lesson(*drawn_in(lesson), host(masks), **options)._asdict())

    def points(self, lesson: Maps, points: Tensor) -> Maps:
        """Return what a step learns of keypoints, see `PointLesson`."""
        own = point_lesson(*drawn_in(lesson), host(points), detector=self.layer.detector)
        return like(lesson["rois"], own._asdict())

    def found_points(self, heatmaps: Tensor, rois: Maps) -> Maps:
        """Return the "keypoints" (R, K, 2) that heatmaps (R, K, S, S) say, and their "heights" (R, K)."""
        points, heights = points_in(host(heatmaps), host(rois["rois"]))
        return like(heatmaps, {"keypoints": points, "heights": heights})

    def found_rois(self, found: Maps) -> Maps:
        """Return detections as boxes to cut out, and their classes, without what fills them up."""
        rois = found_rois(host(found["boxes"]), host(found["classes"]), **self.sizes)
        return {**like(found["boxes"], rois), "classes": found["classes"][found["classes"] >= 0]}

    def by_picture(self, rows: Tensor, there: Tensor) -> Tensor:
        """Return what is said of detections as (N, D, ...); 0 where none is there (N, D)."""
        filled = rows.new_zeros((*there.shape, *rows.shape[1:]))
        filled[there] = rows
        return filled


def drawn_in(lesson: Maps) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what was drawn of boxes: these, their pictures, their classes, and the objects that they are of."""
    rois, pictures, classes, matched = (host(lesson[name]) for name in ("rois", "pictures", "classes", "matched"))
    return rois, pictures, classes, matched


def lesson_of_anchors(
    x: Tensor, targets: Mapping[str, Tensor], *, image: Shape, maps: Sequence[Shape], detector: OneStage
) -> Maps:
    """Return what a step of a detector of one stage learns from where a tensor is, see `onestage.Lesson`."""
    truth = host(targets["boxes"]), host(targets["box_labels"])
    return like(x, anchor_lesson(*truth, image=image, maps=maps, detector=detector)._asdict())


def find_boxes(
    logits: Tensor,
    *said: Tensor,
    image: Shape,
    maps: Sequence[Shape],
    detector: OneStage,
    sizes: Sizes = None,
    for_onnx: bool = False,
) -> Maps:
    """Return what is found by what a detector of one stage says of its anchors, see `Found` and `Native`."""
    options = {"image": image, "maps": maps, "detector": detector}
    if torch.compiler.is_exporting():
        return native_find(logits, *said, **options, suppress=onnx_suppressed() if for_onnx else suppressed)
    return like(logits, find(*map(host, (logits, *said)), **options, sizes=sizes)._asdict())


def count_of_losses(losses: Tensor, classes: Tensor, ratio: float) -> Tensor:
    """Return how often the loss of the class of each box counts (N, A), see `shares`."""
    return like(losses, {"counted": shares(host(losses), host(classes), ratio)})["counted"]


def host(x: Tensor) -> np.ndarray:
    """Return a tensor as an array, one without values as zeros. RecipeError in a graph that is to be a file."""
    if torch.compiler.is_exporting():
        raise RecipeError("export: this network decides about its boxes in NumPy, which no file holds; ask ft predict")
    if x.is_meta:
        x = torch.zeros_like(x, device="cpu")
    x = x.detach()
    return (x.float() if x.dtype == torch.bfloat16 else x).cpu().numpy()


def like(x: Tensor, arrays: Mapping[str, np.ndarray]) -> Maps:
    """Return arrays where a tensor is, and those that are not whole numbers in its type."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)).to(x.device) for name, array in arrays.items()}
    return {name: y.to(x.dtype) if y.is_floating_point() else y for name, y in tensors.items()}


def pool_boxes(levels: Sequence[Tensor], rois: Mapping[str, Tensor], size: Shape, detector: Detector) -> Tensor:
    """Return what is cut out of the maps (N, C, h, w) for boxes of pictures of that size, (K, C, bins, bins)."""
    own = list(levels[: detector.maps])
    pool = by_level if own[0].device.type != "cpu" or torch.compiler.is_exporting() else as_product
    return pool(own, rois, size, detector)


def as_product(own: Sequence[Tensor], rois: Mapping[str, Tensor], size: Shape, detector: Detector) -> Tensor:
    """Return it as a product with a sparse matrix, on a CPU in a third of the time that roi_align takes.

    Every number of a bin is a sum over a few pixels of one map, see `Cuts`. bfloat16 is computed in float32.
    """
    options = {"count": len(own[0]), "image": size, "maps": [tuple(x.shape[2:]) for x in own], "detector": detector}
    boxes, bins = host(rois["rois"]).astype(np.float64), detector.roi_size
    places_of = cuts(boxes, host(rois["pictures"]), host(rois["maps"]), **options)
    flat = torch.cat([x.permute(0, 2, 3, 1).flatten(0, 2) for x in own])
    exact = torch.float32 if flat.dtype == torch.bfloat16 else flat.dtype
    inner = detector.roi_points * 2
    down, across = (len(boxes), bins, 1, inner, 1), (len(boxes), 1, bins, 1, inner)
    places = places_of.rows.reshape(down) + places_of.columns.reshape(across)
    weights = places_of.row_weights.reshape(down) * places_of.column_weights.reshape(across)
    entries = torch.from_numpy(places.ravel()), torch.from_numpy(weights.ravel()).to(exact)
    cut = SparseProduct.apply(flat.to(exact), *entries, len(boxes) * bins**2)
    return cut.to(flat.dtype).reshape(len(boxes), bins, bins, flat.shape[1]).permute(0, 3, 1, 2)


class SparseProduct(torch.autograd.Function):
    """A sparse matrix of equally many numbers a row, by their columns and weights, times x (P, C): (rows, C).

    Its gradient is of x alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, columns: Tensor, weights: Tensor, rows: int) -> Tensor:
        cells = torch.stack([torch.arange(rows).repeat_interleave(len(columns) // max(rows, 1)), columns])
        # in order of rows, as a coalesced one is, and a sum does not mind that a pixel comes twice
        ctx.matrix = torch.sparse_coo_tensor(cells, weights, (rows, len(x)), check_invariants=False, is_coalesced=True)
        return ctx.matrix @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.matrix.t() @ gradients[0].contiguous(), None, None, None


def by_level(own: Sequence[Tensor], rois: Mapping[str, Tensor], size: Shape, detector: Detector) -> Tensor:
    """Return it by roi_align, a map at a time. Of a box that is of none of the maps it is 0."""
    boxes, bins = rois["rois"], detector.roi_size
    sides: list[Shape] = [(x.shape[2], x.shape[3]) for x in own]
    rows = torch.cat([rois["pictures"][:, None].to(boxes.dtype), boxes], 1)
    cut = own[0].new_zeros((boxes.shape[0], own[0].shape[1], bins, bins))
    for place, (level, scale) in enumerate(zip(own, scales(size, sides), strict=True)):
        here = torch.nonzero(rois["maps"] == place)[:, 0]
        cut[here] = roi_align(level, rows[here], bins, scale, detector.roi_points).to(cut.dtype)
    return cut
