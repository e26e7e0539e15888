"""Non-maximum suppression within a class, or over all classes."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.metrics.boxes import iou
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.found import Rows, differing, found_in

LEAST = 0.4  # overlap: detectors suppress from 0.45 or 0.5 on


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether what one side lacks overlaps, each of it, a better box of another class that both have."""
    for row in differing(evidence, "boxes"):
        pictures = zip(*(found_in(trace) for trace in evidence.traces), strict=True)
        lost = np.sum([(covered(a, b), covered(b, a)) for a, b in pictures], axis=0)  # minus infinity stays it
        for place, other in ((0, 1), (1, 0)):
            if lost[place] > 0 and lost[other] <= 0:
                words = f"{evidence.traces[other].label} lacks what lies under better boxes of another class"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words, certain=False)


def covered(own: Rows, other: Rows) -> float:
    """Return how many of a picture's boxes the other side lacks for such a reason; minus infinity for another one."""
    alone = ~own.is_in(other)
    there, better = own.boxes[~alone], own.scores[~alone][:, None] >= own.scores[alone]
    others = own.classes[~alone][:, None] != own.classes[alone]
    under = (better & others & (iou(there, own.boxes[alone]) > LEAST)).any(0) if len(there) else alone[alone] & False
    return float(alone.sum()) if under.all() else -np.inf


ENTRY = Entry(
    name="nms-per-class",
    title="Non-maximum suppression: by class, or over all",
    torch="torchvision's detectors suppress within a class, and the proposals of a pyramid within a map: "
    "torchvision.ops.batched_nms",
    tf="tf.image.non_max_suppression knows no classes; combined_non_max_suppression goes class by class",
    why="the operation has boxes and scores alone, and classes are the caller's affair",
    shows="of a rider and a bicycle, or a box that two classes fit, one is gone; AP falls where objects lie over each "
    "other",
    mend_torch="torchvision.ops.nms(boxes, scores, t), to imitate it",
    mend_tf="boxes moved apart by class, boxes + classes * (largest + 1); or a loop over classes",
    probe=probe,
)
