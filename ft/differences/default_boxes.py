"""SSD's default boxes: which there are at a place, and in which order."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: what a detector decides is no layer's output."""
    yield from ()


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
