"""What is kept of a detection run: counts of every picture in predictions.csv, all boxes in COCO's two JSON files.

boxes.json is the truth and detections.json what the network says, numbered alike: any tool that reads COCO's files
takes them, `truth = COCO("boxes.json")` and `COCOeval(truth, truth.loadRes("detections.json"), "bbox")`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ft.errors import RunError
from ft.metrics.detection import Found, Truth, as_coco, as_results
from ft.metrics.matches import SURE, Outcome, match
from ft.metrics.run_lengths import Runs, unpack, whole_counts
from ft.system import files, reading
from ft.system.names import BOXES, DETECTIONS
from ft.tasks.count_rows import Counts, read_count_rows, write_count_rows

MOST = 1 << 30  # bytes of boxes
PIXELS = 1 << 30  # of a picture


class Pictured(NamedTuple):
    """One picture: its name, height and width, what is on it and what was found."""

    name: str
    size: tuple[int, int]
    truth: Truth
    found: Found

    @property
    def outcome(self) -> Outcome:
        """Its counts."""
        return Outcome.of(self.truth, self.found, match(self.truth, self.found))


@dataclass(frozen=True)
class BoxRow:
    """One picture: boxes by class as they are (`label`), as they are said to be, and how many of these are right.

    What is said counts from a score of one half, and is right from an IoU of one half with a box of its class.
    """

    name: str
    label: Counts
    predicted: Counts
    right: int

    @property
    def missed(self) -> int:
        """Boxes that are not found."""
        return sum(self.label.values()) - self.right

    @property
    def false(self) -> int:
        """What is said and is not so."""
        return sum(self.predicted.values()) - self.right


def write_box_rows(folder: Path, pictures: Iterable[Pictured], classes: Sequence[str]) -> None:
    """Write predictions.csv: name,label,predicted,probability; cells as cat:2|dog:1, the last is how many are right."""
    write_count_rows(folder, (counted(picture, classes) for picture in pictures))


def counted(picture: Pictured, classes: Sequence[str]) -> tuple[str, Counts, Counts, int]:
    """Return a picture's name, its boxes by class as they are and as they are said to be, and how many are right."""
    name, _, truth, detections = picture
    matches = match(truth, detections)
    own, said = (
        {classes[k]: n for k, n in enumerate(np.bincount(numbers).tolist()) if n}
        for numbers in (truth.classes[matches.boxes], detections.classes[matches.said])
    )
    return name, own, said, Outcome.of(truth, detections, matches).right


def read_box_rows(folder: Path) -> list[BoxRow]:
    """Return the lines of predictions.csv."""
    return read_count_rows(
        folder,
        lambda name, own, said, right: BoxRow(name, own, said, int(right)),
        like="boxes by class, as cat:2|dog:1",
    )


def write_boxes(folder: Path, pictures: Sequence[Pictured], classes: Sequence[str]) -> None:
    """Write boxes.json and detections.json."""
    names, sizes = [p.name for p in pictures], [p.size for p in pictures]
    heights, widths = [height for height, _ in sizes], [width for _, width in sizes]
    truth = as_coco([p.truth for p in pictures], classes, file_name=names, height=heights, width=widths)
    files.write_text(Path(folder) / BOXES, json.dumps(truth))
    files.write_text(Path(folder) / DETECTIONS, json.dumps(as_results([p.found for p in pictures])))


def read_boxes(folder: Path) -> list[Pictured]:
    """Return all pictures with what is on them and what was found; RunError where a run did not write that."""
    place = Path(folder)
    try:
        truth, said = (json.loads(reading.read_bytes(place / n, most=MOST)) for n in (BOXES, DETECTIONS))
        pictures, classes = list(pictures_in(truth, said)), len(truth["categories"])
        for picture in pictures:
            require_sound(picture, classes)
        return pictures
    except OSError as error:
        raise RunError(f"cannot read {error.filename}: {error.strerror}; pass the folder of a finished run") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        told = f"{type(error).__name__} {error}"
        raise RunError(f"{place / BOXES} or {DETECTIONS}: {told}; expected the files that a run wrote") from None


def require_sound(picture: Pictured, classes: int) -> None:
    """Raise ValueError where what is on a picture, or what was found, cannot be."""
    (height, width), found = picture.size, picture.found
    if not (height > 0 and width > 0 and height * width <= PIXELS):
        raise ValueError(f"a picture of {width}x{height} pixels")
    for part in (picture.truth, found):
        if not ((part.classes >= 0) & (part.classes < classes)).all():
            raise ValueError("a box of no category")
        numbers = [part.corners] if part.points is None else [part.corners, part.points]
        if not all(np.isfinite(values).all() for values in numbers):
            raise ValueError("a box or keypoint that is not finite")
        if any((runs.height, runs.width) != (height, width) for runs in part.masks or ()):
            raise ValueError("a mask of another size than its picture")
    if not ((found.scores >= 0) & (found.scores <= 1.001)).all():
        raise ValueError("a score that is none")
    shown = [runs for runs, score in zip(found.masks or (), found.scores, strict=False) if score >= SURE]
    for runs in (*(picture.truth.masks or ()), *shown):  # all that is read further on
        whole_counts(unpack(runs.counts), height, width)


def pictures_in(truth: dict[str, Any], said: list[dict[str, Any]]) -> Iterator[Pictured]:
    """Yield the pictures of COCO's two files."""
    images = truth["images"]
    drawn, answers = by_image(truth["annotations"], len(images)), by_image(said, len(images))
    for image, own, ours in zip(images, drawn, answers, strict=True):
        aside = np.array([row["iscrowd"] for row in own], np.bool_)
        scores = np.array([row["score"] for row in ours], np.float64)
        size = (int(image["height"]), int(image["width"]))
        whole = Truth(*boxes_in(own), aside, masks_in(own), points_in(own), sizes_in(own))
        yield Pictured(str(image["file_name"]), size, whole, found_of(ours, scores))


def by_image(rows: Iterable[dict[str, Any]], count: int) -> list[list[dict[str, Any]]]:
    """Return the rows of each image."""
    grouped: list[list[dict[str, Any]]] = [[] for _ in range(count)]
    for row in rows:
        if not 0 < row["image_id"] <= count:
            raise IndexError(f"image_id {row['image_id']}")
        grouped[row["image_id"] - 1].append(row)
    return grouped


def boxes_in(rows: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners and classes of COCO's boxes."""
    sides = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    corners = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    return corners, np.array([row["category_id"] - 1 for row in rows], np.int64)


def found_of(rows: Sequence[dict[str, Any]], scores: np.ndarray) -> Found:
    """Return detections."""
    corners, classes = boxes_in(rows)
    return Found(corners, scores, classes, masks_in(rows), points_in(rows))


def points_in(rows: Sequence[dict[str, Any]]) -> np.ndarray | None:
    """Return the keypoints of objects, float64 (M, K, 3), None where they have none."""
    if not rows or "keypoints" not in rows[0]:
        return None
    return np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), -1, 3)


def sizes_in(rows: Sequence[dict[str, Any]]) -> np.ndarray | None:
    """Return the areas of objects with keypoints, None where they have none."""
    return np.array([row["area"] for row in rows], np.float64) if rows and "keypoints" in rows[0] else None


def masks_in(rows: Sequence[dict[str, Any]]) -> tuple[Runs, ...] | None:
    """Return the masks of objects, None where they have none."""
    if not rows or "segmentation" not in rows[0]:
        return None
    codes = [row["segmentation"] for row in rows]
    return tuple(Runs(int(code["size"][0]), int(code["size"][1]), str(code["counts"])) for code in codes)
