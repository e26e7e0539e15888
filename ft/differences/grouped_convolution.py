"""Grouped convolutions on a CPU: equal numbers, but Keras's take the slow way."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Yield nothing: numbers are equal, and a trace does not hold times."""
    yield from ()


ENTRY = Entry(
    name="grouped-convolution",
    title="Grouped convolutions on a CPU: equal, and slow in Keras",
    torch="nn.Conv2d(groups=G) runs oneDNN's grouped kernels, forward and backward",
    tf="Keras compiles Conv2D(groups=G) with XLA on a CPU, whose gradient of a grouped kernel is very slow",
    why="TensorFlow's CPU kernels once had no groups; oneDNN's have them by now, up to float32, but Keras still goes "
    "around them",
    shows="the numbers agree to rounding; a gradient step takes 200 to 900 times as long, in a tf.function as well, "
    "and ONNX export fails",
    mend_torch="nothing to do",
    mend_tf="a layer of your own that calls tf.nn.conv2d(x, kernel, strides, padding), as ft_tf.layers.Conv2d does",
    probe=probe,
)
