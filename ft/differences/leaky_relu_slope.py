"""Leaky ReLU: how much of a negative value it lets through."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Measure the slope of each side's leaky ReLU below zero."""
    for kind in ("leakyrelu", "activation"):
        for layer in evidence.layers(kind):
            a, b = (slope(evidence, side) for side in layer.sides)
            if a is not None and b is not None and abs(a - b) > evidence.close * max(a, b):
                detail = f"slope {a:.10g} in {evidence.a.label}, {b:.10g} in {evidence.b.label}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def slope(evidence: Evidence, side: Side) -> float | None:
    """Return the s in [0, 1) of y = x above zero and s * x below, None where a side's layer is no such function."""
    if not side.inputs or side.inputs[0].shape != side.output.shape or not (side.inputs[0] < 0).any():
        return None
    x, y = side.inputs[0].astype(np.float64), side.output.astype(np.float64)
    negative = x < 0
    s = float(x[negative] @ y[negative] / (x[negative] @ x[negative]))
    fits = distance(np.where(negative, s * x, x), y) <= evidence.close
    # the negative part must fit by itself: beside large positive values a small slope is hardly seen
    fits = fits and distance(s * x[negative], y[negative]) <= evidence.close
    return s if fits and 0 <= s < 1 else None


ENTRY = Entry(
    name="leaky-relu-slope",
    title="Leaky ReLU: the slope below zero",
    torch="nn.LeakyReLU(): negative_slope is 0.01, a float64",
    tf="keras.layers.LeakyReLU(): negative_slope is 0.3; keras.activations.leaky_relu and tf.nn.leaky_relu: 0.2. And "
    "TensorFlow keeps the number as a float32: 0.01 becomes 0.0099999998",
    why="Keras chose 0.3 in 2015, and PyTorch took the 0.01 of the first paper",
    shows="negative values are 30 times as large; of a slope that is the same but for float32, 2e-8 of them in float64",
    mend_torch="nn.LeakyReLU(0.3), to be Keras's layer",
    mend_tf="keras.layers.LeakyReLU(negative_slope=0.01); in float64 tf.where(x > 0, x, 0.01 * x)",
    probe=probe,
)
