"""Masks of objects in their picture: how 28 x 28 probabilities become pixels."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: what a run makes of its outputs is not in a trace."""
    yield from ()


ENTRY = Entry(
    name="mask-paste",
    title="Pasting an object's mask into its picture",
    torch="torchvision puts a frame of 0 around the 28 x 28, makes the box larger by as much, cuts it down to whole "
    "pixels, counts its last one, and resizes bilinearly; what is above 0.5 is covered",
    tf="ports resize the 28 x 28 themselves to the rounded box, and take from 0.5 on; detectron2 samples at the "
    "middles of pixels, without rounding the box",
    why="Detectron began it with OpenCV's resize, and boxes whose last pixel counts",
    shows="masks differ by a rim of a pixel: nothing in large objects, some mask AP in small ones; a mask of 0.5 "
    "everywhere is all or nothing",
    mend_torch="nothing to do",
    mend_tf="the same steps with tf.pad and tf.image.resize, or by two matrices as ft/network/boxes/pasting.py has "
    "them",
    probe=probe,
)
