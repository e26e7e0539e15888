"""Boxes of two batches next to each other: what turns the one into the other."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ft.parity.evidence import Evidence
from ft.parity.verdict import Row

Size = tuple[int, int]  # height and width
TURNED = [1, 0, 3, 2]
FORMS: Mapping[str, Callable[[np.ndarray, Size], np.ndarray]] = {
    "y1, x1, y2, x2": lambda boxes, size: boxes[:, TURNED],
    "x, y, width, height": lambda boxes, size: sides(boxes),
    "x and y of the centre, width, height": lambda boxes, size: centred(boxes),
    "shares of the picture": lambda boxes, size: boxes / widths(size),
    "shares of the picture, y before x": lambda boxes, size: (boxes / widths(size))[:, TURNED],
}


def differing_boxes(evidence: Evidence) -> Iterator[tuple[Row, np.ndarray, np.ndarray, Size]]:
    """Yield the row, both sides' boxes (B, 4) as float64, without what fills up, and the size of the pictures, of every
    step whose boxes differ.
    """
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.name == "boxes" and row.differs and not row.fault:
            batches = [trace.arrays(row.step, "batch") for trace in evidence.traces]
            there = np.all([batch["box_labels"] >= 0 for batch in batches], axis=0)
            if there.any():
                a, b = (batch["boxes"][there].astype(np.float64) for batch in batches)
                height, width = batches[0]["images"].shape[1:3]
                yield row, a, b, (height, width)


def turned_into(boxes: np.ndarray, form: str, size: Size) -> np.ndarray:
    """Return corners (B, 4) of pictures of a size in another form, by its name."""
    return FORMS[form](boxes, size)


def sides(boxes: np.ndarray) -> np.ndarray:
    """Return corners as first corner and sides."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def centred(boxes: np.ndarray) -> np.ndarray:
    """Return corners as middle and sides."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def widths(size: Size) -> np.ndarray:
    """Return what corners are divided by to become shares."""
    return np.array([size[1], size[0]] * 2, np.float64)
