"""Flattening features before a dense layer: channels first or channels last."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance, in_order
from ft.parity.trace import Trace

AFTER = ("flatten", "dropout", "linear")  # what may stand behind a flattening that no layer does


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See in which order each side has the features of the images that it flattened."""
    for phase, step in (("inference", None), ("forward", 0)):
        for key, call in evidence.a.calls[phase].items():
            if call.kind in AFTER and (step, phase, key) in evidence.parted and key in evidence.b.calls[phase]:
                orders = [flattened(evidence, trace, step, phase, key) for trace in evidence.traces]
                if None not in orders and orders[0] != orders[1]:
                    detail = f"{evidence.a.label}: {orders[0]}; {evidence.b.label}: {orders[1]}"
                    error = distance(*(evidence.side(t, step, phase, key).output for t in evidence.traces))
                    yield Finding(ENTRY.name, step, phase, key, error, detail)


def flattened(evidence: Evidence, trace: Trace, step: int | None, phase: str, key: str) -> str | None:
    """Return the order of a flat array, a layer's output or else its input, None where it is not flattened images."""
    side = evidence.side(trace, step, phase, key)
    if not side.inputs:
        return None
    image, flat = (side.inputs[0], side.output) if side.call.kind == "flatten" else (None, side.inputs[0])
    if flat.ndim != 2:
        return None
    if image is None:
        image = last_image(trace, step, phase, key, flat.shape)
    if image is None or image.ndim != 4 or image.size != flat.size or len(image) != len(flat):
        return None
    orders = {"C, H, W": image, "H, W, C": np.moveaxis(image, 1, -1)}
    return next((name for name, x in orders.items() if evidence.same(x.reshape(flat.shape), flat)), None)


def last_image(trace: Trace, step: int | None, phase: str, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the last output (N, C, H, W) before a layer that has as many features: nobody recorded the flattening."""
    arrays, before = trace.arrays(step, phase), list(trace.calls[phase])
    for name in reversed(before[: before.index(key)]):
        x = arrays[name]
        if x.ndim == 4:
            return in_order(x, trace, phase, name) if x.size // len(x) == shape[1] else None
    return None


ENTRY = Entry(
    name="flatten-order",
    title="Flattening features before a dense layer",
    torch="nn.Flatten of N, C, H, W: all of channel 0, then all of channel 1",
    tf="keras.layers.Flatten of N, H, W, C: all channels of pixel 0, then all channels of pixel 1",
    why="each lists its own memory order, and images lie in memory differently",
    shows="shapes fit and copied weights load, but the dense layer multiplies other features: VGG and AlexNet give "
    "noise; a network with global pooling shows nothing",
    mend_torch="x.permute(0, 2, 3, 1).flatten(1) for weights from Keras",
    mend_tf="keras.layers.Permute((3, 1, 2)) before Flatten, for weights from PyTorch; or permute the kernel",
    probe=probe,
)
