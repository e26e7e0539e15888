"""The class of nothing: torchvision's detectors number it 0, and count it."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether all classes of one side are the other's, and one more."""
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.name == "box_labels" and row.differs and not row.fault:
            a, b = (trace.arrays(row.step, "batch")["box_labels"] for trace in evidence.traces)
            more = np.unique((b - a)[(a >= 0) & (b >= 0)])
            if more.tolist() in ([1], [-1]):
                side, other = (evidence.b, evidence.a) if more[0] > 0 else (evidence.a, evidence.b)
                detail = f"{side.label} numbers classes from one more on than {other.label}, as behind a background"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


ENTRY = Entry(
    name="background-class",
    title="A detector's class 0: background, or the first object",
    torch="in torchvision's detectors 0 is background and num_classes counts it; RetinaNet and FCOS learn 0 as an "
    "object too, and their weights number objects from 1 all the same",
    tf="KerasHub's detectors number objects from 0 and have no class for background; -1 fills up rows of boxes",
    why="a softmax needs a class for what is no object, sigmoids do not",
    shows="with labels from 0 the boxes of the first class are learnt as background, without an error: it is never "
    "found, the others are; with labels too high by one the last class is out of range",
    mend_torch="labels + 1 and num_classes=1 + len(classes), and answers minus 1: what this project does inside",
    mend_tf="labels - 1 where they come from torchvision's side",
    probe=probe,
)
