"""What a detector of one stage finds, by the rules of ft/network/boxes, in the graph itself: see native.py."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ft.network.boxes.anchors import Shape, counts
from ft.network.boxes.onestage import anchors_of
from ft.zoo.detector import DefaultBoxes, Four, OneStage
from ft_torch.layers.native import Maps, Suppress, at_places, best_first, best_of_maps, best_of_pictures, clip, decode


def find(
    logits: Tensor,
    said: Tensor,
    middles: Tensor | None = None,
    *,
    image: Shape,
    maps: Sequence[Shape],
    detector: OneStage,
    suppress: Suppress,
) -> Maps:
    """Return what is found, see `Found`. logits (N, A, C), said (N, A, 4), middles (N, A): of the anchors."""
    anchors = said.new_tensor(anchors_of(image, maps, detector))
    if isinstance(detector, DefaultBoxes):
        return by_class(logits, clip(decode(said, anchors, detector.weights), image), detector, suppress)
    scores, classes = logits.sigmoid(), logits.shape[2]
    if middles is not None:
        scores = (scores * middles.sigmoid()[..., None]).sqrt()
    by_anchor = (counts(maps, detector.anchors) * classes).tolist()
    places, _ = best_of_maps(scores.flatten(1), by_anchor, detector.candidates)
    own, anchor, kind = scores.flatten(1).gather(1, places), places // classes, places % classes
    boxes = clip(DECODING[detector.kind](at_places(said, anchor), anchors[anchor], detector.weights), image)
    there = (own > detector.score)[:, None] & (kind[:, None] == torch.arange(classes, device=kind.device)[:, None])
    kept = suppress(boxes, own[:, None].expand(-1, classes, -1), there, detector.nms).any(1)
    return best_of_pictures(boxes, own, kept, kind, size=detector.detections)


def by_class(logits: Tensor, boxes: Tensor, detector: DefaultBoxes, suppress: Suppress) -> Maps:
    """Return what is found where class 0 is background, and each class has its candidates."""
    scores = logits.softmax(2)[..., 1:].transpose(1, 2)  # (N, C, A)
    classes, flat = scores.shape[1], scores.flatten(0, 1)
    places = best_first(flat, flat > detector.score, detector.candidates)
    own, boxes = flat.gather(1, places), at_places(boxes.repeat_interleave(classes, 0), places)
    kept = suppress(boxes, own[:, None], (own > detector.score)[:, None], detector.nms)[:, 0]
    kind = torch.arange(classes, device=places.device)[:, None].expand(-1, places.shape[1]).flatten()
    boxes, own, kept = (x.unflatten(0, (-1, classes)).flatten(1, 2) for x in (boxes, own, kept))
    return best_of_pictures(boxes, own, kept, kind, size=detector.detections)


def from_sides(said: Tensor, own: Tensor, weights: Four) -> Tensor:
    """Return boxes (..., 4) by how far their sides are from the middles of anchors, in the anchors' own sizes."""
    middle, sides = 0.5 * (own[..., :2] + own[..., 2:]), own[..., 2:] - own[..., :2]
    return torch.cat([middle - said[..., :2] * sides, middle + said[..., 2:] * sides], -1)


DECODING: dict[str, Callable[[Tensor, Tensor, Four], Tensor]] = {"retinanet": decode, "fcos": from_sides}
