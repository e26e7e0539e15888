"""What report.html says of a detection run: classes, curves, what was missed, calibration, the worst pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ft.metrics.calibration import reliability_of
from ft.metrics.detection import SIZES
from ft.metrics.matches import SURE, confusion, false_by_size, match, missed_by_size
from ft.tasks.box_rows import Pictured
from ft.tasks.sections import ByClass, Calibration, Curves, Section, Table, WorstBoxes

MORE = {
    "class_mask_AP": "mask AP",
    "class_mask_AP50": "mask AP50",
    "class_keypoint_AP": "keypoint AP",
    "class_keypoint_AP50": "keypoint AP50",
}
WORST = 12  # pictures that the page shows
NOTHING = "(no box)"  # beside the classes of a confusion
AT = f"Counted from a score of {SURE:g} and an IoU of 0.5 on."


def sections_of(pictures: Sequence[Pictured], result: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the sections. result: model.json."""
    classes = result["classes"]
    matched = [(p.truth, p.found, match(p.truth, p.found)) for p in pictures]
    empty = np.zeros((len(classes) + 1,) * 2, np.int64)
    counts = sum((confusion(*each, len(classes)) for each in matched), empty)
    by_size = sum((missed_by_size(*each, len(classes)) for each in matched), np.zeros((2, len(classes), 3), np.int64))
    false = sum((false_by_size(*each, len(classes)) for each in matched), np.zeros((len(classes), 3), np.int64))
    hits, said = np.diag(counts)[:-1], counts.sum(0)[:-1]
    with np.errstate(invalid="ignore"):
        columns = {
            **{name: known(result[f"class_{name}"]) for name in ("AP", "AP50", "AR100")},
            **{title: known(result[name]) for name, title in MORE.items() if name in result},
            "precision": hits / said,
            "recall": hits / counts.sum(1)[:-1],
        }
    told = f"AP, AP50 and AR100 are COCO's. Precision, recall and the confusions: {AT[0].lower()}{AT[1:]}"
    support = counts.sum(1)[:-1]
    yield ByClass(classes, columns, "AP", support, told, counts, "boxes", (*classes, NOTHING))
    recalls = np.linspace(0, 1, 101)
    lines = [(name, recalls, known(row)) for name, row in zip(classes, result["curves"], strict=True)]
    yield Curves("Precision over recall", "recall", "precision", lines, "At IoU 0.5, of every class that has boxes.")
    yield missed_table(classes, by_size, false)
    yield Calibration(calibration_of(pictures), "detection")
    yield WorstBoxes(worst_first(pictures), classes)


def known(values: Sequence[float | None]) -> np.ndarray:
    """Return figures of a JSON file, in which what is not known is null."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def missed_table(classes: Sequence[str], counts: np.ndarray, false: np.ndarray) -> Table:
    """Return what was missed and what was false by class and size."""
    rows = [
        (name, *(f"{lost} of {n}" if n else "-" for n, lost in zip(*own, strict=True)), *map(str, wrong))
        for name, own, wrong in zip(classes, counts.transpose(1, 0, 2).tolist(), false.tolist(), strict=True)
    ]
    heading = ("class", *(f"{kind}, {size}" for kind in ("missed", "false") for size in SIZES))
    return Table(
        "What it misses and makes up", heading, rows, f"Small is below 32x32 pixels, large from 96x96 on. {AT}"
    )


def calibration_of(pictures: Sequence[Pictured]) -> Any:
    """Return how often detections of each score are right; all that the network gives count."""
    scores, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for picture in pictures:
        truth, detections = picture.truth, picture.found
        matches = match(truth, detections, 0.0)
        there = matches.of >= 0
        own = np.zeros(len(there), np.bool_)
        own[there] = truth.classes[matches.of[there]] == detections.classes[matches.said[there]]
        scores.append(detections.scores[matches.said])
        right.append(own)
    return reliability_of(np.concatenate(scores), np.concatenate(right))


def worst_first(pictures: Sequence[Pictured]) -> list[Pictured]:
    """Return the pictures with the most boxes missed and detections false, without those where nothing is wrong."""
    wrong = [(p.outcome.missed + p.outcome.false, p) for p in pictures]
    ordered = sorted((row for row in wrong if row[0]), key=lambda row: (-row[0], row[1].name))
    return [picture for _, picture in ordered[:WORST]]
