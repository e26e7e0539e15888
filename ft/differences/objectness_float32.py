"""The loss of objectness of a double model: torchvision's labels are float32."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: of the parts of a loss a trace holds the sum."""
    yield from ()


ENTRY = Entry(
    name="objectness-float32",
    title="A detector's loss of objectness in float64",
    torch="RegionProposalNetwork makes its labels in float32, and binary_cross_entropy_with_logits gives a loss of "
    "that type; its gradient is exact",
    tf="tf.nn.sigmoid_cross_entropy_with_logits wants labels of the scores' type",
    why="torchvision's detectors were made for float32 alone",
    shows="in float64 the loss is off by 1e-8, the step is not",
    mend_torch="labels.to(scores.dtype), as ft_torch/tasks/detection.py has them",
    mend_tf="nothing to do",
    probe=probe,
)
