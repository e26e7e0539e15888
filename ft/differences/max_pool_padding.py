"""Max pooling at the border: padded with minus infinity, or with zeros that can win."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from ft.differences.entry import Entry
from ft.differences.padding import window_of
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.probes.replay import cut_frame, paddings, pool2d

FILLS = {"minus infinity around the image": -np.inf, "zeros around the image": 0.0}


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See with what each side filled the border, in the layer itself or in one before it."""
    for layer in evidence.layers("maxpool"):
        if not all(side.inputs for side in layer.sides):
            continue
        a, b = (side.inputs[0] for side in layer.sides)
        inner = [cut_frame(a, b.shape), cut_frame(b, a.shape)]
        fillings = [filled_with(evidence, layer, side, x) for side, x in zip(layer.sides, inner, strict=True)]
        if None not in fillings and fillings[0] != fillings[1]:
            detail = f"{evidence.a.label}: {fillings[0]}; {evidence.b.label}: {fillings[1]}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def filled_with(evidence: Evidence, layer: Layer, side: Side, image: np.ndarray) -> str | None:
    """Return, in words, the filling that gives a side's output of its first image with some padding."""
    x, y, window = image[:1], side.output[:1], window_of(layer, side)
    if window is None or x.ndim != 4 or y.ndim != 4:
        return None
    rows, columns = (paddings(x.shape[axis], window[axis - 2], y.shape[axis]).values() for axis in (2, 3))
    for (name, fill), row, column in product(FILLS.items(), rows, columns):
        pads = (*row[1:], *column[1:])
        if evidence.same(pool2d(x, np.max, window=window, stride=(row[0], column[0]), pads=pads, fill=fill), y):
            return name
    return None


ENTRY = Entry(
    name="max-pool-padding",
    title="Max pooling at the border: what the padding holds",
    torch="nn.MaxPool2d(padding=1) pads with minus infinity, which never wins",
    tf='padding="same" pads with minus infinity too; but ZeroPadding2D before padding="valid" pads with zeros, which '
    "win over negative values",
    why="Keras's pooling cannot pad alike on both sides, so ports of PyTorch networks put a ZeroPadding2D before it",
    shows="nothing behind a ReLU, where no value is negative; elsewhere the border holds zeros that no pixel had",
    mend_torch="nothing to do; to imitate the zeros, F.pad(x, (1, 1, 1, 1)) before a pooling without padding",
    mend_tf="tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=x.dtype.min), then MaxPooling2D",
    probe=probe,
)
