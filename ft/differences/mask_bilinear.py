"""Masks of another size: each pixel takes the class of the nearest one, or numbers of classes are blended."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See whether one side's masks hold, at edges alone, numbers that lie between those of the other side."""
    for row in evidence.verdict.rows:
        if row.phase == "batch" and row.name == "mask" and row.differs and not row.fault:
            masks = [trace.arrays(row.step, "batch")["mask"] for trace in evidence.traces]
            counts = [blended(*masks), blended(*masks[::-1])]
            if masks[0].ndim == 3 and max(counts):
                side = evidence.traces[counts.index(max(counts))]
                words = f"{max(counts)} pixels of {side.label}'s masks lie between the classes around them, as blended"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, words, certain=False)


def blended(masks: np.ndarray, others: np.ndarray) -> int:
    """Return how many pixels have a class that no pixel around has in the other masks, but that lies between two.

    0 where a pixel differs that does not lie between.
    """
    if masks.ndim != 3:
        return 0
    around = surroundings(others)
    differ = masks != others
    between = (around.min(0) <= masks) & (masks <= around.max(0))
    return int((differ & ~(around == masks).any(0)).sum()) if between[differ].all() else 0


def surroundings(masks: np.ndarray) -> np.ndarray:
    """Return masks (N, H, W) moved by a pixel in every direction, (9, N, H, W)."""
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)), mode="edge")
    _, height, width = masks.shape
    return np.stack([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)])


ENTRY = Entry(
    name="mask-bilinear",
    title="Resizing a mask: the nearest pixel, or a blend of class numbers",
    torch="F.interpolate takes the nearest pixel by default, torchvision's transforms do for masks that they know as "
    "such (tv_tensors.Mask); an image that holds a mask is blended",
    tf="tf.image.resize and keras.layers.Resizing blend bilinearly by default, masks too",
    why="a resize cannot tell a mask from a grey image; who calls it has to say so",
    shows="thin lines of foreign classes along every edge: between class 2 and 8 lies a 5, between 3 and 255 a 129 "
    "that is no class at all",
    mend_torch='F.interpolate(mask, size, mode="nearest-exact"), on pixels as numbers; or tv_tensors.Mask(mask)',
    mend_tf='tf.image.resize(mask, size, method="nearest"), before anything rounds it to whole numbers',
    probe=probe,
)
