"""What a detector decides in inference, by the rules of ft/network/boxes, in the graph itself: for exported files.

It computes in the network's type, where the host takes float64. Every picture has equally many proposals, so that a
graph knows all sizes but the number of pictures: what fills them up is of no picture and no map, and finds nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from ft.network.boxes.anchors import Shape, counts, grid_anchors
from ft.network.boxes.coding import LARGEST
from ft.network.boxes.detections import NOTHING
from ft.network.boxes.levels import CANONICAL_LEVEL, CANONICAL_SIZE, EPS, scales
from ft.zoo.detector import Detector, Four

Maps = dict[str, Tensor]
Suppress = Callable[[Tensor, Tensor, Tensor, float], Tensor]
NONE = -1  # picture and map of what fills up
SPAN = 2.0**14  # pixels from one group's boxes to the next one's; a power of two, so that none loses a digit
MOST, LEAST = 2**63 - 1, -1e38  # boxes and score of ONNX's NonMaxSuppression, which take all


class Native(nn.Module):
    """A module that decides on the host, but in the graph where that is exported; for_onnx: it is to become ONNX."""

    for_onnx = False


class NativeDecider:
    """The decisions of one forward pass, without the host. suppress: `suppressed`, or `onnx_suppressed` for ONNX."""

    def __init__(self, detector: Detector, maps: Sequence[Shape], image: Shape, suppress: Suppress) -> None:
        self.detector, self.maps, self.image, self.suppress = detector, tuple(maps), image, suppress
        self.counts = counts(self.maps, detector.anchors).tolist()

    def rois(self, objectness: Tensor, deltas: Tensor) -> Maps:
        """Return the proposals: "rois" (N * P, 4), "pictures" and "maps" (N * P,)."""
        own, levels = self.detector, len(self.counts)
        anchors = objectness.new_tensor(grid_anchors(self.image, self.maps, own.sizes, own.ratios))
        places, level = best_of_maps(objectness, self.counts, own.rpn_before[1])
        scores, said = objectness.gather(1, places), at_places(deltas, places)
        boxes = clip(decode(said, anchors[places], own.rpn_weights), self.image)
        there = large(boxes, own.rpn_min_size) & (scores.sigmoid() >= own.rpn_score)
        by_level = there[:, None] & (level == torch.arange(levels, device=level.device)[:, None])
        there = self.suppress(boxes, scores[:, None].expand(-1, levels, -1), by_level, own.rpn_nms).any(1)
        best = best_first(scores, there, own.rpn_after[1])
        rois, there, missing = at_places(boxes, best), there.gather(1, best), own.rpn_after[1] - best.shape[1]
        pictures = torch.arange(rois.shape[0], device=rois.device)[:, None]
        numbers = (F.pad(torch.where(there, x, NONE), (0, missing), value=NONE) for x in (pictures, self.levels(rois)))
        rois = F.pad(rois, (0, 0, 0, missing)).flatten(0, 1)
        return {"rois": rois, **dict(zip(("pictures", "maps"), (x.flatten() for x in numbers), strict=True))}

    def levels(self, boxes: Tensor) -> Tensor:
        """Return the number of the map for each box (..., 4)."""
        own = scales(self.image, self.maps[: self.detector.maps])
        first, last = (int(-np.log2(own[place])) for place in (0, -1))
        area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
        wanted = CANONICAL_LEVEL + torch.log2(area.sqrt() / CANONICAL_SIZE) + EPS
        return wanted.floor().clamp(first, last).long() - first

    def found(self, logits: Tensor, said: Tensor, rois: Mapping[str, Tensor], *, count: int) -> Maps:
        """Return what is found in `count` pictures, see `Found`."""
        own, classes = self.detector, logits.shape[1] - 1
        boxes = clip(decode(said.unflatten(1, (-1, 4))[:, 1:], rois["rois"][:, None], own.roi_weights), self.image)
        scores = logits.softmax(1)[:, 1:]
        there = (rois["pictures"] != NONE)[:, None] & (scores > own.score) & large(boxes, own.min_size)
        rows = [x.unflatten(0, (-1, own.rpn_after[1])) for x in (boxes, scores, there)]  # (N, P, C, ...)
        alone = [x.transpose(1, 2).flatten(0, 1) for x in rows]
        kept = self.suppress(alone[0], alone[1][:, None], alone[2][:, None], own.nms)[:, 0]
        kept = kept.unflatten(0, (-1, classes)).transpose(1, 2)
        kinds = torch.arange(classes, device=kept.device).repeat(own.rpn_after[1])
        boxes, scores, kept = (x.flatten(1, 2) for x in (*rows[:2], kept))
        return best_of_pictures(boxes, scores, kept, kinds, size=own.detections)

    def found_rois(self, found: Mapping[str, Tensor]) -> Maps:
        """Return all rows of detections as boxes to cut out, (N * D, ...), and their classes."""
        there = found["classes"] != NOTHING
        pictures = torch.arange(there.shape[0], device=there.device)[:, None]
        numbers = (torch.where(there, x, NONE).flatten() for x in (pictures, self.levels(found["boxes"])))
        rois = {"rois": found["boxes"].flatten(0, 1), "classes": found["classes"].flatten()}
        return {**rois, **dict(zip(("pictures", "maps"), numbers, strict=True))}

    def found_points(self, heatmaps: Tensor, rois: Mapping[str, Tensor]) -> Maps:
        """Return the "heatmaps": places in them come of each box's own size, and a graph has but one."""
        return {"heatmaps": heatmaps}

    def by_picture(self, rows: Tensor, there: Tensor) -> Tensor:
        """Return what is said of all rows of detections as (N, D, ...); 0 where none is there (N, D)."""
        own = rows.unflatten(0, (-1, there.shape[1]))
        return torch.where(there.view(*there.shape, *(1 for _ in rows.shape[1:])), own, 0)


def best_of_maps(scores: Tensor, counts: Sequence[int], most: int) -> tuple[Tensor, Tensor]:
    """Return the places (N, T) of the best anchors of each map, and the number of the map of each (T,)."""
    starts, every = np.cumsum([0, *counts[:-1]]).tolist(), torch.ones((), dtype=torch.bool, device=scores.device)
    maps = scores.split(list(counts), 1)
    chosen = [start + best_first(own, every, most) for start, own in zip(starts, maps, strict=True)]
    level = np.repeat(np.arange(len(chosen)), [min(most, count) for count in counts])
    return torch.cat(chosen, 1), torch.tensor(level, device=scores.device)


def best_of_pictures(boxes: Tensor, scores: Tensor, kept: Tensor, kinds: Tensor, *, size: int) -> Maps:
    """Return `size` detections of each picture, see `Found`: the best of boxes (N, T, 4) that are kept (N, T).

    kinds: their classes (N, T), or (T,) where they are those of every picture.
    """
    best = best_first(scores, kept, size)
    there, missing = kept.gather(1, best), size - best.shape[1]
    found_classes = torch.where(there, kinds.expand_as(kept).gather(1, best), NOTHING)
    return {
        "boxes": F.pad(torch.where(there[..., None], at_places(boxes, best), 0), (0, 0, 0, missing)),
        "scores": F.pad(torch.where(there, scores.gather(1, best), 0), (0, missing)),
        "classes": F.pad(found_classes, (0, missing), value=NOTHING),
    }


def best_first(scores: Tensor, kept: Tensor, most: int) -> Tensor:
    """Return the places of the best scores of each row (N, T) that are kept, the others behind them, at most so many.

    Of equal ones the lower place comes first: torch.topk takes them in no stated order.
    """
    return torch.sort(torch.where(kept, scores, -torch.inf), dim=1, descending=True, stable=True)[1][:, :most]


def at_places(x: Tensor, places: Tensor) -> Tensor:
    """Return rows of (N, A, 4) by their places (N, T)."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))


def decode(said: Tensor, own: Tensor, weights: Four) -> Tensor:
    """Return what boxes `own` (..., 4) become by what is said of them."""
    factors, sides = said.new_tensor(weights), own[..., 2:] - own[..., :2]
    middle = said[..., :2] / factors[:2] * sides + (own[..., :2] + 0.5 * sides)
    half = 0.5 * (torch.exp((said[..., 2:] / factors[2:]).clamp(max=LARGEST)) * sides)
    return torch.cat([middle - half, middle + half], -1)


def clip(boxes: Tensor, image: Shape) -> Tensor:
    """Return boxes (..., 4) cut to an image of that height and width."""
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([image[1], image[0]] * 2))


def large(boxes: Tensor, side: float) -> Tensor:
    """Tell which boxes (..., 4) have sides of at least that."""
    return (boxes[..., 2:] - boxes[..., :2]).amin(-1) >= side


def suppressed(boxes: Tensor, scores: Tensor, there: Tensor, threshold: float) -> Tensor:
    """Return which boxes are kept, bool (B, G, T): those that are there and that no better one of their group covers.

    boxes (B, T, 4); scores, there (B, G, T): of each in so many groups.
    """
    row, group, place = torch.nonzero(there, as_tuple=True)
    apart = (row * there.shape[1] + group).double() * SPAN
    kept = nms(boxes[row, place].double() + apart[:, None], scores[row, group, place].double(), threshold)
    flat = (row * there.shape[1] + group) * there.shape[2] + place
    return torch.zeros_like(there).flatten().index_fill(0, flat[kept], True).view(there.shape)


@cache
def onnx_suppressed() -> Suppress:
    """Return `suppressed` as an operator that `onnx_table` translates: ONNX's own knows rows and groups."""

    @torch.library.custom_op("ft_parity::suppressed", mutates_args=())
    def operator(boxes: Tensor, scores: Tensor, there: Tensor, threshold: float) -> Tensor:
        return suppressed(boxes, scores, there, threshold)

    operator.register_fake(lambda boxes, scores, there, threshold: torch.empty_like(there))
    return operator


def onnx_table() -> dict[Any, Callable[..., Any]]:
    """Return what PyTorch's exporter makes of our operator, and of a stable sort, as which ONNX defines its TopK."""
    op: Any = import_module("onnxscript").opset18
    onnx_suppressed()

    def in_order(x: Any, stable: bool, dim: int = -1, descending: bool = False) -> Any:
        return op.TopK(x, op.Gather(op.Shape(x), [dim]), axis=dim, largest=int(descending), sorted=1)

    def translated(boxes: Any, scores: Any, there: Any, threshold: float) -> Any:
        masked = op.Where(there, scores, op.CastLike(2 * LEAST, scores))
        kept = op.NonMaxSuppression(boxes, masked, MOST, threshold, LEAST)
        nothing, one = op.And(there, False), op.Slice(op.Shape(kept), [0], [1])
        return op.ScatterND(nothing, kept, op.Expand(True, one))

    return {torch.ops.ft_parity.suppressed.default: translated, torch.ops.aten.sort.stable: in_order}
