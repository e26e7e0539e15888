"""Boxes cut out of a map: RoIAlign, or crop_and_resize."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: boxes are drawn in each step, and the first array that differs is named by a trace."""
    yield from ()


ENTRY = Entry(
    name="roi-align",
    title="Cutting boxes out of a map: RoIAlign",
    torch="torchvision.ops.roi_align means so many points a bin, each in the middle of its part, between pixels whose "
    "corners are places; aligned=True takes half a pixel off",
    tf="tf.image.crop_and_resize puts its outermost points on the edges of the box, in float32; ports of Mask R-CNN "
    "mean 2 x 2 of them",
    why="crop_and_resize was made for images, before RoIAlign was",
    shows="each feature of a box is off by as much as its neighbours differ; weights of one lose AP in the other",
    mend_torch="nothing to do",
    mend_tf="two matrices of bilinear weights a box and a product, or one sparse product as in ft_tf.layers.PoolBoxes",
    probe=probe,
)
