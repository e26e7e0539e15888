"""COCO's figures of detections: precision averaged over recall, over IoU 0.5 to 0.95, over classes.

faster-coco-eval computes them, to the last bit but one what pycocotools has: of equal scores the one said first goes
first. Boxes are in the pictures' own pixels, so small, medium and large are what COCO calls so: areas of the boxes
below 32 x 32 pixels, from there to 96 x 96, and above. What is set aside, crowds and what is difficult, is COCO's
crowd: a detection that lies on it by half counts for nothing. Objects with masks are judged by these, too, and an
object's area is then its mask's.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ft.metrics.boxes import area
from ft.metrics.run_lengths import Runs
from ft.system.extras import require_extra

SIZES = ("small", "medium", "large")
EDGES = (32**2, 96**2)  # areas in pixels between them
MOST = 100  # detections of a picture that are judged, the best ones
Kind = Literal["bbox", "segm"]
HALF, THREE_QUARTERS = 0, 5  # places of IoU 0.5 and 0.75 among the ten


class Truth(NamedTuple):
    """What is on a picture: corners float64 (M, 4), class numbers int64 (M,), and what is set aside, bool (M,).

    masks: where objects have some.
    """

    corners: np.ndarray
    classes: np.ndarray
    aside: np.ndarray
    masks: tuple[Runs, ...] | None = None

    @property
    def areas(self) -> np.ndarray:
        """The areas of the masks, or of the boxes where there are none, (M,)."""
        return area(self.corners) if self.masks is None else np.array([m.area for m in self.masks], np.int64)


class Found(NamedTuple):
    """What a network says of a picture: corners float64 (D, 4), scores float64 (D,), class numbers int64 (D,).

    masks: where it says some.
    """

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: tuple[Runs, ...] | None = None


class Scores(NamedTuple):
    """COCO's arrays, NaN where a class has no box: precision (10 IoUs, 101 recalls, K classes, 4 sizes, 3 limits) and
    recall (10, K, 4, 3); the sizes are all, small, medium and large, the limits 1, 10 and 100 detections a picture.
    """

    precision: np.ndarray
    recall: np.ndarray

    @property
    def figures(self) -> dict[str, float]:
        """The figures that COCO prints."""
        p, r = self.precision[..., -1], self.recall
        sizes = {f"AP_{size}": mean(p[..., i]) for i, size in enumerate(SIZES, 1)}
        return {
            "AP": mean(p[..., 0]),
            "AP50": mean(p[HALF, ..., 0]),
            "AP75": mean(p[THREE_QUARTERS, ..., 0]),
            **sizes,
            **{f"AR{most}": mean(r[..., 0, i]) for i, most in enumerate((1, 10, MOST))},
            **{f"AR_{size}": mean(r[..., i, -1]) for i, size in enumerate(SIZES, 1)},
        }

    @property
    def by_class(self) -> dict[str, np.ndarray]:
        """AP, AP50 and recall (AR100) of every class, float64 (K,), NaN for one without a box."""
        p, r = self.precision[..., 0, -1], self.recall[..., 0, -1]
        return {"AP": p.mean((0, 1)), "AP50": p[HALF].mean(0), "AR100": r.mean(0)}

    @property
    def curves(self) -> np.ndarray:
        """The precision of every class at IoU 0.5 and recalls 0, 0.01 to 1, float64 (K, 101)."""
        return self.precision[HALF, :, :, 0, -1].T


def mean(values: np.ndarray) -> float:
    """Return the mean of what is known, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def require_coco() -> None:
    """Raise RecipeError where what computes the figures is not installed."""
    require_extra("detection", "faster_coco_eval")


def coco_scores(truths: Sequence[Truth], detections: Sequence[Found], classes: int, kind: Kind = "bbox") -> Scores:
    """Return the scores of detections on pictures, in the order of these. kind: what overlaps, boxes or masks."""
    require_coco()
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(as_coco(truths, [str(k) for k in range(classes)], **sizes_of(truths)))
    result = COCOeval_faster(truth, truth.loadRes(as_results(detections)), kind)
    result.evaluate()
    result.accumulate()
    arrays = (np.asarray(result.eval[name], np.float64) for name in ("precision", "recall"))
    return Scores(*(np.where(array < 0, np.nan, array) for array in arrays))


def sizes_of(truths: Sequence[Truth]) -> dict[str, list[int]]:
    """Return heights and widths of pictures as their masks have them, 1 where a picture has none."""
    sizes = [next(((mask.height, mask.width) for mask in truth.masks or ()), (1, 1)) for truth in truths]
    return {name: [size[i] for size in sizes] for i, name in enumerate(("height", "width"))}


def as_coco(truths: Sequence[Truth], classes: Sequence[str], **images: Sequence[Any]) -> dict[str, Any]:
    """Return the truth as COCO's JSON: images and classes count from 1. images: more of each of them, by key."""
    rows = [dict(zip(images, more, strict=True)) for more in zip(*images.values(), strict=True)] or [{}] * len(truths)
    annotations = [
        {"image_id": i, "category_id": k + 1, "bbox": sides, "area": size, "iscrowd": crowd, **mask}
        for i, truth in enumerate(truths, 1)
        for k, sides, size, crowd, mask in zip(
            truth.classes.tolist(),
            to_sides(truth.corners),
            truth.areas.tolist(),
            truth.aside.astype(int).tolist(),
            segmentations(truth),
            strict=True,
        )
    ]
    return {
        "images": [{"id": i, **row} for i, row in enumerate(rows, 1)],
        "annotations": [{"id": n, **row} for n, row in enumerate(annotations, 1)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, 1)],
    }


def as_results(detections: Sequence[Found]) -> list[dict[str, Any]]:
    """Return detections as COCO's results, numbered as in `as_coco`."""
    return [
        {"image_id": i, "category_id": k + 1, "bbox": sides, "score": score, **mask}
        for i, own in enumerate(detections, 1)
        for k, sides, score, mask in zip(
            own.classes.tolist(), to_sides(own.corners), own.scores.tolist(), segmentations(own), strict=True
        )
    ]


def segmentations(own: Truth | Found) -> list[dict[str, Any]]:
    """Return of each object what COCO's JSON says of its mask, nothing where it has none."""
    if own.masks is None:
        return [{}] * len(own.classes)
    return [{"segmentation": mask.as_coco} for mask in own.masks]


def to_sides(corners: np.ndarray) -> list[list[float]]:
    """Return corners (M, 4) as COCO has boxes: x, y, width and height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()


def size_of(corners: np.ndarray) -> np.ndarray:
    """Return the place in SIZES of each box (M, 4)."""
    return np.digitize(area(corners), EDGES)
