"""Non-maximum suppression within a class, or over all classes."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: what a detector decides is no layer's output."""
    yield from ()


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
