"""SSD's default boxes: which there are at a place, and in which order."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding

NUMBERS = 4  # that are said of a box


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether a convolution that says four numbers of each box has one side's boxes in another order."""
    for row in evidence.verdict.rows:
        if row.phase == "weights" and row.differs and not row.fault and row.name.endswith(".weight"):
            a, b = (trace.arrays(row.step, "weights")[row.name] for trace in evidence.traces)
            if a.ndim == 4 and len(a) % NUMBERS == 0 and (order := reordered(a, b)):
                words = f"{evidence.b.label}'s boxes are {', '.join(map(str, order))} of {evidence.a.label}'s"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)
                return


def reordered(a: np.ndarray, b: np.ndarray) -> list[int]:
    """Return which blocks of four rows of `a`, from 1 on, those of `b` are; nothing where they are not these."""
    blocks = {block.tobytes(): place for place, block in enumerate(a.reshape(-1, NUMBERS, *a.shape[1:]), 1)}
    order = [blocks.get(block.tobytes(), 0) for block in b.reshape(-1, NUMBERS, *b.shape[1:])]
    return order if sorted(order) == sorted(blocks.values()) and len(blocks) == len(order) > 1 else []


ENTRY = Entry(
    name="default-boxes",
    title="SSD's default boxes: their order, and the first map's",
    torch="two squares, then each ratio lying and standing: 2, 1/2, 3, 1/3; sides are float32 and clipped to the "
    "picture, also in a double network",
    tf="TensorFlow's object detection API has the ratios 1, 2, 1/2, 3, 1/3 and the second square last, and three "
    "boxes in the first map, one of them of a tenth of the picture",
    why="the paper lists the shapes and not their order; who wrote the heads first fixed the channels",
    shows="converted weights fit by their shapes, and boxes come out with each other's sides and scores",
    mend_torch="nothing to do; to imitate the other order, exchange the channels of the heads, by groups of 4 and of "
    "the classes",
    mend_tf="order the pairs of sides as torchvision does and clip them, as ft/network/boxes/defaults.py does",
    probe=probe,
)
