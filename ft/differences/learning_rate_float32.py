"""Keras keeps the learning rate as a float32 variable, PyTorch as a Python float."""

from collections.abc import Iterator

import numpy as np

from ft.evidence import Entry, Evidence, Finding, distance


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether all updates of a step differ by one factor, that of the rounded learning rate."""
    for step in range(evidence.a.facts["steps"]):
        rows = [row for row in evidence.verdict.rows if row.step == step and row.phase == "updates" and row.differs]
        rates = [evidence.a.facts["lr"][step], float(np.float32(evidence.a.facts["lr"][step]))]
        if not rows or rates[0] == rates[1]:
            continue
        first = max(rows, key=lambda row: row.absolute)
        a, b = (trace.arrays(step, "updates")[first.name] for trace in evidence.traces)
        for side, factor in (("b", rates[1] / rates[0]), ("a", rates[0] / rates[1])):
            if distance(a * factor, b) <= 0.01 * distance(a, b):
                who = getattr(evidence, side).backend
                detail = f"{who} uses {rates[1]!r} where the recipe says {rates[0]!r}"
                yield Finding(ENTRY.name, step, "updates", rows[0].name, first.relative, detail)


ENTRY = Entry(
    name="learning-rate-float32",
    title="The learning rate: a float32 variable or a Python float",
    torch="keeps lr as a Python float, which is a float64",
    tf="keeps optimizer.learning_rate as a float32 variable, whatever the type of the weights",
    why="a variable can be changed inside a compiled graph, and Keras makes its variables float32",
    shows="nothing in float32; in float64 all updates are off by the same 1e-8, the loss by 5.6e-9 after three steps",
    mend_torch="nothing to do; to imitate Keras, pass float(numpy.float32(lr))",
    mend_tf="pass the rate as a float64 tensor to a written update, as ft_tf.optim.SGD does; or take 2**-10 for 0.001",
    probe=probe,
)
