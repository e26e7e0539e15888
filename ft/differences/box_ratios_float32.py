"""Boxes of a resized picture: torchvision's ratios are float32 in a double network, too."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding

ROUNDING, STRAIGHT = 2.0**-22, 1e-13  # how far two ratios in float32 are off, and how alike all of a picture must be


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether the boxes of each picture are the other side's times one number along each axis, hardly off 1."""
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.name == "boxes" and row.differs and not row.fault:
            a, b = (trace.arrays(row.step, "batch")["boxes"].astype(np.float64) for trace in evidence.traces)
            if a.dtype == b.dtype and evidence.a.dtype == "float64" and all(map(is_scaled, a, b)):
                words = "each picture's boxes are the other's times one number of x and one of y, hardly off 1"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


def is_scaled(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether boxes (M, 4) are others times one number along each axis, within rounding to float32 of 1."""
    for axis in (0, 1):
        x, y = a[:, axis::2].ravel(), b[:, axis::2].ravel()
        ratios = y[x != 0] / x[x != 0]
        if (y[x == 0] != 0).any() or (np.abs(ratios - 1) > ROUNDING).any():
            return False
        if ratios.size and np.ptp(ratios) > STRAIGHT:
            return False
    return True


ENTRY = Entry(
    name="box-ratios-float32",
    title="Boxes of a resized picture: ratios in float32",
    torch="GeneralizedRCNNTransform's resize_boxes divides the sizes in float32, whatever the type of the boxes",
    tf="a ratio is a Python float or of the boxes' type",
    why="its ratios are tensors, for a graph to hold them, and the detectors were made for float32 alone",
    shows="in float64 boxes are off by 1e-8, and so is all that is learnt of them; in float32 nothing",
    mend_torch="boxes * (new / old) in Python's floats; here the hub moves pixels and boxes by one float64 rule",
    mend_tf="nothing to do; tf.cast(tf.cast(new, tf.float32) / tf.cast(old, tf.float32), tf.float64) imitates it",
    probe=probe,
)
