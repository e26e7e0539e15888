"""Non-maximum suppression in float64, which TensorFlow does not have."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: what a detector decides is no layer's output."""
    yield from ()


ENTRY = Entry(
    name="nms-float64",
    title="Non-maximum suppression: float64",
    torch="torchvision.ops.nms computes overlaps in the type of its boxes",
    tf="tf.image.non_max_suppression takes half and float32; float64 of NumPy's is narrowed to it without a word",
    why="it was made for inference on devices",
    shows="boxes whose overlap lies next to the threshold stay in one and go in the other; all behind them moves up",
    mend_torch="boxes.float(), to imitate it",
    mend_tf="the overlaps written out in float64, on the host or by tensors",
    probe=probe,
)
