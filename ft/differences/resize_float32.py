"""Resizing a map in float32 inside a float64 network: what tf.image.resize does whatever it is given."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.differences.precision import resizes, rounded_result
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Look for the first resized map of which every number fits a shorter type on one side only."""
    for row in evidence.verdict.rows:
        if row.differs and resizes(evidence, row) and (words := rounded_result(evidence, row)):
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words)
            break


ENTRY = Entry(
    name="resize-float32",
    title="Resizing a map: tf.image.resize computes in float32",
    torch="F.interpolate computes in the type that it is given",
    tf="tf.image.resize gives float32 for a float64 map; keras.layers.Resizing and keras.ops.image.resize call it and "
    "cast the result back, so that the type looks right",
    why="its kernels for bilinear and bicubic were written for images, whose bytes fit into float32",
    shows="logits of a float64 network agree to 6e-8 of their size and no further, so no float64 comparison passes",
    mend_torch="F.interpolate(x.float(), size, mode='bilinear').double(), to imitate TensorFlow",
    mend_tf="two products with the weights of rows and columns, tf.matmul(rows, tf.matmul(x, columns)), in float64",
    probe=probe,
)
