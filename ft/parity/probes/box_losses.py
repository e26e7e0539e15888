"""What a detector's training loss is made of: of what the network said in a step, and of what it was to say.

A trace holds the sum of the losses, but the outputs of a step hold both of these, of every anchor and box that counts.
So each loss is computed anew from a side's own outputs, in one way and in another, and the sum says which it was.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ft.network.boxes.coding import BETA, decode
from ft.network.boxes.detections import softmax
from ft.network.boxes.matching import NEITHER
from ft.network.boxes.onestage import from_sides
from ft.network.boxes.proposals import sigmoid
from ft.network.boxes.ssd import shares
from ft.network.boxes.suppression import best_first
from ft.parity.evidence import Evidence
from ft.parity.trace import Trace
from ft.parity.verdict import Row

Outputs = Mapping[str, np.ndarray]
Way = Callable[[Outputs], float]
ALPHA, NEGATIVES, EPSILON = 0.25, 3, 1e-7  # of the focal loss, of SSD, and of torchvision's loss of overlaps
UNIT = (1.0, 1.0, 1.0, 1.0)
TWO_STAGES = ("objectness", "objects", "deltas", "anchor_boxes", "class_logits", "classes", "box_deltas", "roi_boxes")
ONE_STAGE = ("class_logits", "classes", "said", "anchor_corners", "boxes")
LEARNT = {*TWO_STAGES, *ONE_STAGE, "middle", "middles", "mask_logits", "masks", "heatmaps", "cells"}


def ways_apart(
    evidence: Evidence, needed: tuple[str, ...], find: Callable[[Trace, int], str | None]
) -> Iterator[tuple[Row, str]]:
    """Yield the row of every step whose losses differ and of which `find` says another way for each side, in words.

    needed: outputs without which it is another kind of network.
    """
    for row in evidence.verdict.rows:
        if row.phase != "loss" or not row.differs or row.step is None:
            continue
        if all(set(needed) <= set(trace.arrays(row.step, "forward")) for trace in evidence.traces):
            ways = [find(trace, row.step) for trace in evidence.traces]
            if None not in ways and ways[0] != ways[1]:
                told = (f"{trace.label}: {way}" for trace, way in zip(evidence.traces, ways, strict=True))
                yield row, "; ".join(told)


def first_that_fits(evidence: Evidence, ways: Mapping[str, Way]) -> Callable[[Trace, int], str | None]:
    """Return what finds the first way by which a side's loss follows from its outputs, None where none does."""

    def find(trace: Trace, step: int) -> str | None:
        outputs, loss = outputs_of(trace, step), loss_of(trace, step)
        return next((name for name, way in ways.items() if evidence.same(np.array([way(outputs)]), loss)), None)

    return find


def outputs_of(trace: Trace, step: int) -> dict[str, np.ndarray]:
    """Return the outputs of a step by name, numbers as float64."""
    arrays = trace.arrays(step, "forward")
    own = {name: arrays[name] for name in LEARNT if name in arrays}
    return {name: x.astype(np.float64) if x.dtype.kind == "f" else x for name, x in own.items()}


def loss_of(trace: Trace, step: int) -> np.ndarray:
    """Return the loss of a step, (1,)."""
    return np.reshape(trace.arrays(step, "loss")["loss"], 1).astype(np.float64)


def two_stages(outputs: Outputs, *, factor: float = 1.0) -> dict[str, float]:
    """Return the losses of a network with two stages by name. factor: of those of what is said of boxes."""
    objects, classes = outputs["objects"], outputs["classes"].astype(np.int64)
    rows = np.arange(len(classes))
    said = outputs["box_deltas"][rows, classes]
    return {
        "objectness": mean(entropy(outputs["objectness"], objects)),
        "proposals": factor * of_objects(outputs["deltas"] - outputs["anchor_boxes"], objects > 0),
        "classes": mean(-np.log(softmax(outputs["class_logits"])[rows, classes])),
        "boxes": factor * of_objects(said - outputs["roi_boxes"], classes > 0),
        "masks": mean(entropy(outputs["mask_logits"], outputs["masks"])) if "mask_logits" in outputs else 0.0,
        "keypoints": mean(of_places(outputs["heatmaps"], outputs["cells"])) if "heatmaps" in outputs else 0.0,
    }


def mean(terms: np.ndarray) -> float:
    """Return the mean, 0 of nothing."""
    return float(terms.sum() / max(terms.size, 1))


def entropy(logits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the loss of each yes or no."""
    return np.maximum(logits, 0) - logits * wanted + np.log1p(np.exp(-np.abs(logits)))


def of_places(heatmaps: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the loss of each keypoint, (V,)."""
    return -np.log(softmax(heatmaps)[np.arange(len(cells)), cells.astype(np.int64)])


def of_objects(away: np.ndarray, objects: np.ndarray) -> float:
    """Return the sum of smooth L1 over boxes of objects, divided by how many boxes there are."""
    return float((smooth(away, BETA).sum(1) * objects).sum() / max(len(objects), 1))


def smooth(away: np.ndarray, beta: float) -> np.ndarray:
    """Return the smooth L1 loss of differences."""
    far = np.abs(away)
    return np.where(far < beta, 0.5 * far**2 / beta, far - 0.5 * beta)


def by_picture(outputs: Outputs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sum of the losses of each picture (N,), and how many anchors of objects each has (N,).

    Of a network of one stage with a focal loss; once for each loss of boxes that it may have.
    """
    counts = (outputs["classes"] >= 0).sum(1)
    picture = np.repeat(np.arange(len(counts)), counts)
    for away in losses_of_boxes(outputs):
        if len(away) == len(picture):
            yield focal(outputs).sum(1) + np.bincount(picture, away, len(counts)), counts


def losses_of_boxes(outputs: Outputs) -> Iterator[np.ndarray]:
    """Yield the loss of the box of each anchor of an object (F,), in each way that there is."""
    said, anchors, boxes = outputs["said"], outputs["anchor_corners"], outputs["boxes"]
    if "middle" in outputs:
        middles = entropy(outputs["middle"], outputs["middles"])
        yield overlaps_lost(from_sides(said, anchors, UNIT), boxes) + middles
    else:
        yield np.abs(said - boxes).sum(1)
        yield overlaps_lost(decode(said, anchors, UNIT), boxes)


def focal(outputs: Outputs) -> np.ndarray:
    """Return the focal loss of each anchor (N, A), 0 of those that do not count."""
    logits, classes = outputs["class_logits"], outputs["classes"]
    wanted = classes[..., None] == np.arange(logits.shape[2])
    p = sigmoid(logits)
    right = np.where(wanted, p, 1 - p)
    losses = np.where(wanted, ALPHA, 1 - ALPHA) * (1 - right) ** 2 * entropy(logits, wanted)
    return losses.sum(2) * (classes != NEITHER)


def overlaps_lost(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return torchvision's generalized_box_iou_loss of pairs of boxes, (F,)."""
    first, last = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.where((last > first).all(1), (last - first).prod(1), 0.0)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    around = (np.maximum(a[:, 2:], b[:, 2:]) - np.minimum(a[:, :2], b[:, :2])).prod(1)
    return 1 - both / (union + EPSILON) + (around - union) / (around + EPSILON)


def with_negatives(outputs: Outputs, *, of_batch: bool) -> float:
    """Return SSD's loss. of_batch: the hard negatives are the hardest of all pictures, not of each."""
    classes, count = outputs["classes"], max(int((outputs["classes"] >= 0).sum()), 1)
    if classes.min() <= NEITHER or classes.max() + 1 >= outputs["class_logits"].shape[2]:
        return np.nan  # a network without a class of background
    log_p = np.log(softmax(outputs["class_logits"].reshape(-1, outputs["class_logits"].shape[2])))
    terms = -log_p[np.arange(classes.size), classes.ravel() + 1].reshape(classes.shape)
    if of_batch:
        counted = (classes >= 0).astype(np.float64).ravel()
        counted[best_first(np.where(classes >= 0, -np.inf, terms).ravel(), NEGATIVES * count)] += 1
    else:
        counted = shares(terms, classes, NEGATIVES).ravel()
    return float((terms.ravel() * counted).sum() + smooth(outputs["said"] - outputs["boxes"], 1.0).sum()) / count
