"""What the loss takes the network's output for: logits, or probabilities."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.objective import find_objective


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's output is a distribution, and what each side's loss makes of its own output."""
    for row in evidence.verdict.rows:
        if not row.differs or row.fault:
            continue
        readings: list[str | None] = [None, None]
        if row.name == "logits" and row.phase in ("inference", "forward"):
            outputs = [trace.arrays(row.step, row.phase)["logits"] for trace in evidence.traces]
            readings = ["probabilities" if is_distribution(x, evidence.close) else "logits" for x in outputs]
        elif row.phase == "loss" and row.step is not None:
            objectives = [find_objective(evidence, trace, row.step) for trace in evidence.traces]
            readings = [None if x is None else f"a loss of {x.reading}" for x in objectives]
        if None not in readings and readings[0] != readings[1]:
            detail = f"{evidence.a.label}: {readings[0]}; {evidence.b.label}: {readings[1]}"
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def is_distribution(output: np.ndarray, close: float) -> bool:
    """Tell whether every row of an output (N, K) is positive and sums up to 1."""
    return output.ndim == 2 and bool((output >= 0).all() and np.abs(output.sum(1) - 1).max(initial=0) <= close)


ENTRY = Entry(
    name="logits-or-probabilities",
    title="Logits or probabilities: who takes the softmax",
    torch="CrossEntropyLoss takes logits and applies log_softmax itself; there is no switch",
    tf="Keras's cross-entropies take probabilities by default: from_logits=False, after Dense(n, activation='softmax')",
    why="Keras models end in what a person wants to read; PyTorch's in what is numerically safe",
    shows="with a softmax too many the loss hardly moves and stays above log(1 + (K - 1) / e), 1.46 for 10 classes; "
    "logits taken for probabilities are cut off at 1e-7, and losses reach 16",
    mend_torch="no nn.Softmax before CrossEntropyLoss; for a network that has one, F.nll_loss(p.log(), y)",
    mend_tf="SparseCategoricalCrossentropy(from_logits=True) and a last Dense without activation",
    probe=probe,
)
