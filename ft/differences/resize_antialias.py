"""Shrinking an image: Pillow averages over what it drops, tf.image.resize picks pixels."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.pixels import channel_map, differing_images, roughness

TINY = np.finfo(float).tiny
ALIKE = 0.3  # correlation of the two batches from which on they show the same pictures
ROUGHER = 1.1  # measured: 1.2 to 12 without antialiasing, 0.95 to 1.01 between two JPEG decoders


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether two batches are the same pictures in the same range, and one of them is rougher all over."""
    for row, a, b in differing_images(evidence):
        if not same_pictures(a, b) or channel_map(a, b) is not None:
            continue
        of_a, of_b = (np.array([max(roughness(x[None]), TINY) for x in images]) for images in (a, b))
        for rough, side in ((of_a / of_b, evidence.a), (of_b / of_a, evidence.b)):
            if (rough > 1).all() and np.median(rough) > ROUGHER:
                detail = f"{side.label}'s images are {np.median(rough):.3g} times as rough, as without antialiasing"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail, certain=False)


def same_pictures(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether every image correlates with its counterpart and has the same mean and range, nearly."""
    flat = [x.reshape(len(x), -1) for x in (a, b)]
    centred = [x - x.mean(1, keepdims=True) for x in flat]
    spreads = [np.sqrt((x**2).mean(1)) for x in centred]
    if min(spread.min() for spread in spreads) == 0:
        return False
    correlation = (centred[0] * centred[1]).mean(1) / (spreads[0] * spreads[1])
    shift = np.abs(flat[0].mean(1) - flat[1].mean(1)) / spreads[0]
    ratio = spreads[0] / spreads[1]
    return bool((correlation > ALIKE).all() and (shift < 0.5).all() and ((ratio > 0.25) & (ratio < 4)).all())


ENTRY = Entry(
    name="resize-antialias",
    title="Shrinking an image: with or without antialiasing",
    torch="Pillow, and torchvision's Resize by default, average over all pixels that fall into a new one",
    tf="tf.image.resize and keras.layers.Resizing interpolate between the nearest old pixels and drop the others",
    why="tf.image.resize kept the behaviour of its first version; antialias=False is its default to this day",
    shows="fine texture turns into moire: up to 148 levels of 255 apart; the more, the more an image shrinks",
    mend_torch="nothing to do; to imitate TensorFlow, Resize(size, antialias=False) on tensors",
    mend_tf="tf.image.resize(x, size, antialias=True) or keras.layers.Resizing(h, w, antialias=True): within 1 level",
    probe=probe,
)
