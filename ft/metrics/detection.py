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
PERSON = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
Kind = Literal["bbox", "segm", "keypoints"]
HALF, THREE_QUARTERS = 0, 5  # places of IoU 0.5 and 0.75 among the ten


class Truth(NamedTuple):
    """What is on a picture: corners float64 (M, 4), class numbers int64 (M,), and what is set aside, bool (M,).

    masks: where objects have some; points: keypoints, float64 (M, K, 3): x, y and 0 where one is not marked, where
    objects have some, and sizes (M,), the areas that these are measured by.
    """

    corners: np.ndarray
    classes: np.ndarray
    aside: np.ndarray
    masks: tuple[Runs, ...] | None = None
    points: np.ndarray | None = None
    sizes: np.ndarray | None = None

    @property
    def areas(self) -> np.ndarray:
        """The areas of the objects where they are given, else of their masks, else of their boxes, (M,)."""
        if self.sizes is not None:
            return self.sizes
        return area(self.corners) if self.masks is None else np.array([m.area for m in self.masks], np.int64)


class Found(NamedTuple):
    """What a network says of a picture: corners float64 (D, 4), scores float64 (D,), class numbers int64 (D,).

    masks: where it says some; points: keypoints, float64 (D, K, 3): x, y and how high its heatmap is there.
    """

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: tuple[Runs, ...] | None = None
    points: np.ndarray | None = None


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


class PointScores(NamedTuple):
    """The same of keypoints: precision (10 OKS, 101 recalls, K classes, 3 sizes, 1) and recall (10, K, 3, 1), of 20
    detections a picture; the sizes are all, medium and large.
    """

    precision: np.ndarray
    recall: np.ndarray

    @property
    def figures(self) -> dict[str, float]:
        """The figures that COCO prints."""
        found = {}
        for name, values in (("AP", self.precision[..., 0]), ("AR", self.recall[..., 0])):
            found[name] = mean(values[..., 0])
            found[f"{name}50"], found[f"{name}75"] = (mean(values[i, ..., 0]) for i in (HALF, THREE_QUARTERS))
            found |= {f"{name}_{size}": mean(values[..., i]) for i, size in enumerate(SIZES[1:], 1)}
        return found

    @property
    def by_class(self) -> dict[str, np.ndarray]:
        """AP and AP50 of every class, float64 (K,), NaN for one without keypoints."""
        p = self.precision[..., 0, -1]
        return {"AP": p.mean((0, 1)), "AP50": p[HALF].mean(0)}


def sigmas_of(count: int) -> np.ndarray:
    """Return by how much each keypoint may be off, in shares of an object: COCO's of a person's 17, else 1 / count."""
    return PERSON if count == len(PERSON) else np.full(count, 1 / count)


def mean(values: np.ndarray) -> float:
    """Return the mean of what is known, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def require_coco() -> None:
    """Raise RecipeError where what computes the figures is not installed."""
    require_extra("detection", "faster_coco_eval")


def coco_scores(
    truths: Sequence[Truth], detections: Sequence[Found], classes: int, kind: Kind = "bbox"
) -> Scores | PointScores:
    """Return the scores of detections on pictures, in the order of these. kind: what is compared."""
    require_coco()
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(as_coco(truths, [str(k) for k in range(classes)], **sizes_of(truths)))
    result = COCOeval_faster(truth, truth.loadRes(as_results(detections)), kind)
    if kind == "keypoints":
        points = next((truth.points for truth in truths if truth.points is not None), np.zeros((0, 1, 3)))
        result.params.kpt_oks_sigmas = sigmas_of(points.shape[1])
    result.evaluate()
    result.accumulate()
    arrays = (np.asarray(result.eval[name], np.float64) for name in ("precision", "recall"))
    made = PointScores if kind == "keypoints" else Scores
    return made(*(np.where(array < 0, np.nan, array) for array in arrays))


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
            marks_of(truth),
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
            own.classes.tolist(), to_sides(own.corners), own.scores.tolist(), marks_of(own), strict=True
        )
    ]


def marks_of(own: Truth | Found) -> list[dict[str, Any]]:
    """Return of each object what COCO's JSON says of its mask or keypoints, nothing where it has none."""
    if own.masks is not None:
        return [{"segmentation": mask.as_coco} for mask in own.masks]
    if own.points is None:
        return [{}] * len(own.classes)
    if isinstance(own, Found):
        return [{"keypoints": points.ravel().tolist()} for points in own.points]
    return [
        {"keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())} for points in own.points
    ]


def to_sides(corners: np.ndarray) -> list[list[float]]:
    """Return corners (M, 4) as COCO has boxes: x, y, width and height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()


def size_of(corners: np.ndarray) -> np.ndarray:
    """Return the place in SIZES of each box (M, 4)."""
    return np.digitize(area(corners), EDGES)
