"""Average pooling at the border: whether the padding counts."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from ft.differences.entry import Entry
from ft.differences.padding import window_of
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.probes.replay import paddings, pool2d

COUNTED, LEFT_OUT = "the padding counts as zeros", "the padding is left out"


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See by what each side divided the sum of a window that reaches over the border."""
    for layer in evidence.layers("avgpool"):
        divisors = [divided_by(evidence, layer, side) for side in layer.sides]
        if None not in divisors and divisors[0] != divisors[1]:
            detail = f"{evidence.a.label}: {divisors[0]}; {evidence.b.label}: {divisors[1]}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def divided_by(evidence: Evidence, layer: Layer, side: Side) -> str | None:
    """Return COUNTED or LEFT_OUT, whichever gives a side's output of its first image with some padding."""
    window = window_of(layer, side)
    if window is None or not side.inputs or side.inputs[0].ndim != 4 or side.output.ndim != 4:
        return None
    x, y = side.inputs[0][:1], side.output[:1]
    rows, columns = (paddings(x.shape[axis], window[axis - 2], y.shape[axis]).values() for axis in (2, 3))
    for (down, top, bottom), (right, before, after) in product(rows, columns):
        pads = (top, bottom, before, after)
        sums, counts = (
            pool2d(z, np.sum, window=window, stride=(down, right), pads=pads, fill=0.0) for z in (x, np.ones_like(x))
        )
        for name, mean in ((COUNTED, sums / (window[0] * window[1])), (LEFT_OUT, sums / np.maximum(counts, 1))):
            if evidence.same(mean, y):
                return name
    return None


ENTRY = Entry(
    name="average-pool-padding",
    title="Average pooling at the border: does the padding count?",
    torch="nn.AvgPool2d counts the padding as zeros: count_include_pad=True is its default",
    tf='AveragePooling2D(padding="same") divides by the number of real pixels under the window',
    why="PyTorch pads and then averages; TensorFlow averages over what is there",
    shows="only the outermost rows and columns differ: of a 3 x 3 window PyTorch has 4 / 9 of Keras's value in a "
    "corner, 6 / 9 at an edge",
    mend_torch="nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
    mend_tf='keras.layers.ZeroPadding2D(1), then AveragePooling2D(3, strides=1, padding="valid")',
    probe=probe,
)
