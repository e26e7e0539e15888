"""Grouped convolutions on a CPU: equal numbers, but Keras's take the slow way."""

from collections.abc import Iterator

from ft.evidence import Entry, Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Yield nothing: numbers are equal, and a trace does not hold times."""
    yield from ()


ENTRY = Entry(
    name="grouped-convolution",
    title="Grouped convolutions on a CPU: equal, and slow in Keras",
    torch="nn.Conv2d(groups=G) runs oneDNN's grouped kernels, forward and backward",
    tf="Keras sends Conv2D(groups=G) through XLA on a CPU, for TensorFlow's own kernels there had no groups",
    why="TensorFlow's oneDNN kernels know groups by now, up to float32, but Keras's way around them is still there",
    shows="the numbers agree to rounding; a gradient step takes a hundred times as long, and ONNX export fails",
    mend_torch="nothing to do",
    mend_tf="a layer of your own that calls tf.nn.conv2d(x, kernel, strides, padding), as ft_tf.layers.Conv2d does",
    probe=probe,
)
