"""RoIAlign with half a pixel taken off, or without."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: boxes are drawn in each step, and the first array that differs is named by a trace."""
    yield from ()


ENTRY = Entry(
    name="roi-align-aligned",
    title="RoIAlign: aligned, or not",
    torch="torchvision's detectors, masks and keypoints use roi_align(aligned=False); detectron2 and its weights "
    "aligned=True, which takes half a pixel of the map off and allows boxes below one",
    tf="ports name one or the other, and few have a flag; crop_and_resize is neither",
    why="a place of a map is the middle of a square of pixels, which the first RoIAlign forgot; weights have learnt "
    "to live with either",
    shows="each feature of a box is off by half a pixel's slope; a finished network loses some AP, one that is "
    "fine-tuned hardly",
    mend_torch="roi_align(..., aligned=True) for weights of detectron2",
    mend_tf="take 0.5 off the scaled corners, or not, as the weights want it; without, sides are at least 1",
    probe=probe,
)
