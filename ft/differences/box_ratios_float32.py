"""Boxes of a resized picture: torchvision's ratios are float32 in a double network, too."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: boxes reach a network resized already."""
    yield from ()


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
