"""The loss of objectness of a double model: torchvision's labels are float32."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.box_losses import TWO_STAGES, loss_of, outputs_of, two_stages, ways_apart
from ft.parity.trace import Trace

EXACT, SHORT = "the loss of objectness in float64", "a number of float32"
NEAR, WHOLE = 1e-5, 1e-13  # how far off a loss in float32 is at most, and how near to its numbers


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Take the other losses off each side's sum, and see whether what is left has the bits of float32."""

    def find(trace: Trace, step: int) -> str | None:
        parts, loss = two_stages(outputs_of(trace, step)), loss_of(trace, step)
        if evidence.same(np.array([sum(parts.values())]), loss):
            return EXACT
        exact = parts.pop("objectness")
        own = float(loss[0]) - sum(parts.values())
        whole = abs(own - float(np.float32(own))) <= WHOLE * float(loss[0])
        return SHORT if whole and abs(own - exact) <= NEAR * exact else None

    for row, words in ways_apart(evidence, TWO_STAGES, find) if evidence.a.dtype == "float64" else ():
        yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)


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
