"""The start of a linear layer: uniform by the inputs, or Glorot's with a bias of zero."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.trace import Trace

TORCH, KERAS = "PyTorch's own start", "Keras's own start"
FEWEST = 60  # weights; of fewer the range says too little
NEAR = 16  # one of n uniform numbers is within 16 / n of the bound but for one case in e^16


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's linear layer starts as PyTorch draws it and the other's as Keras does."""
    for row in evidence.verdict.rows:
        if row.phase == "weights" and row.name.endswith(".weight") and row.differs and not row.fault:
            starts = [start(trace, row.name) for trace in evidence.traces]
            if set(starts) == {TORCH, KERAS}:
                detail = f"{evidence.a.label}: {starts[0]}; {evidence.b.label}: {starts[1]}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def start(trace: Trace, name: str) -> str | None:
    """Return whose default drew a weight (out, in) and the bias beside it, None where neither did."""
    weights = trace.arrays(None, "weights")
    weight, bias = weights[name], weights.get(name.removesuffix("weight") + "bias")
    if weight.ndim != 2 or weight.size < FEWEST:
        return None
    outputs, inputs = weight.shape
    by_inputs, glorot = 1 / np.sqrt(inputs), np.sqrt(6 / (inputs + outputs))
    if fills(weight, by_inputs) and (bias is None or (bias.any() and np.abs(bias).max() <= by_inputs * (1 + 1e-6))):
        return TORCH
    return KERAS if fills(weight, glorot) and (bias is None or not bias.any()) else None


def fills(weight: np.ndarray, bound: float) -> bool:
    """Tell whether numbers look drawn evenly from -bound to bound: none beyond, one near it, the deviation as due."""
    largest, spread = np.abs(weight).max() / bound, np.sqrt(np.mean(np.square(weight))) / bound
    return bool(1 - NEAR / weight.size < largest <= 1 + 1e-6 and abs(spread - 3**-0.5) < 2 / np.sqrt(weight.size))


ENTRY = Entry(
    name="linear-init",
    title="The start of a linear layer",
    torch="nn.Linear: weight and bias uniform in +-1 / sqrt(inputs)",
    tf="keras.layers.Dense: kernel uniform in +-sqrt(6 / (inputs + outputs)) (Glorot), bias 0",
    why="PyTorch keeps what Torch7 did; Keras follows Glorot and Bengio, 2010",
    shows="a new head of 512 inputs and 10 classes starts with weights 2.4 times as large in Keras; first losses "
    "differ, and with a small learning rate the whole run",
    mend_torch="nn.init.xavier_uniform_(layer.weight); nn.init.zeros_(layer.bias)",
    mend_tf="Dense(n, kernel_initializer=u, bias_initializer=u) with u = keras.initializers.RandomUniform(-b, b), "
    "b = inputs ** -0.5; for equal numbers draw once with NumPy and set both",
    probe=probe,
)
