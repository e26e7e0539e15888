"""Resizing a map bilinearly: whether pixels are squares, or points of which the outermost fall together."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.network.resize import bilinear_weights
from ft.parity.evidence import Evidence, Finding, Side, distance

CORNERS, SQUARES = "corners aligned", "corners not aligned"


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See by which rule each side resized its map."""
    for layer in evidence.layers("interpolate"):
        rules = [evidence.which({SQUARES: squares, CORNERS: corners}, side) for side in layer.sides]
        if None not in rules and rules[0] != rules[1]:
            detail = f"{evidence.a.label}: {rules[0]}; {evidence.b.label}: {rules[1]}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def squares(side: Side) -> np.ndarray:
    """Return a side's map resized with its pixels taken for squares."""
    x, (height, width) = side.inputs[0], side.output.shape[2:]
    return bilinear_weights(x.shape[2], height) @ x @ bilinear_weights(x.shape[3], width).T


def corners(side: Side) -> np.ndarray:
    """Return a side's map resized with the middles of its outermost pixels staying in place."""
    x, (height, width) = side.inputs[0], side.output.shape[2:]
    return aligned_weights(x.shape[2], height) @ x @ aligned_weights(x.shape[3], width).T


def aligned_weights(old: int, new: int) -> np.ndarray:
    """Return float64 (new, old): what each old row or column counts in each new one."""
    place = np.arange(new) * ((old - 1) / max(new - 1, 1))
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)))


ENTRY = Entry(
    name="align-corners",
    title="Resizing a map bilinearly: align_corners",
    torch="F.interpolate takes pixels for squares (align_corners=False); older code for segmentation passes True",
    tf="keras.layers.Resizing and tf.image.resize take them for squares; tf.compat.v1.image.resize, of which the first "
    "DeepLab in TensorFlow is made, takes align_corners=True",
    why="with sides of the form 16 n + 1 aligned corners keep points in place through every stride of a network",
    shows="logits are shifted by up to half a pixel of the small map, most at the border; mean IoU drops a little",
    mend_torch="F.interpolate(x, size, mode='bilinear', align_corners=True), to imitate such code",
    mend_tf="tf.compat.v1.image.resize(x, size, align_corners=True), in float32; or two products with the weights",
    probe=probe,
)
