"""The last pixel of a box: its edge lies behind it, or it is the last one that counts."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.boxes import differing_boxes

SHIFTS = {(0, 0, 1, 1): "end a pixel later", (1, 1, 0, 0): "begin a pixel later", (1, 1, 1, 1): "lie a pixel further"}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether the edges of all boxes of one side are one pixel from the other's."""
    for row, a, b, _ in differing_boxes(evidence):
        for x, y, side in ((a, b, evidence.b), (b, a, evidence.a)):
            words = next((w for shift, w in SHIFTS.items() if evidence.same(x + np.array(shift, np.float64), y)), None)
            if words:
                detail = f"{side.label}'s boxes {words}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


ENTRY = Entry(
    name="box-offset",
    title="A box's width: x2 - x1, or one more",
    torch="torchvision takes edges: a box from 2 to 5 is 3 wide, in overlaps, coding, RoIAlign and COCO's figures",
    tf="Pascal VOC's files count pixels from 1 and include the last one, and code that came from Caffe has x2 - x1 + "
    "1 as the width, ports in Keras too",
    why="VOC's boxes name pixels, COCO's are edges",
    shows="overlaps of small boxes are off by per cents, anchors match others, and AP of small objects falls; large "
    "boxes hardly show it",
    mend_torch="boxes[:, :2] -= 1 where they are Pascal's; here its XML is read so",
    mend_tf="the same, and x2 - x1 without the one in overlaps, areas and deltas",
    probe=probe,
)
