"""The order of the samples: each framework shuffles with a generator of its own."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.pixels import ROUNDING
from ft.parity.verdict import Row

GLIMPSE = 64  # pixels of each image that find its double; the whole image confirms it


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Look for every image of one side, and its label, elsewhere in the other side's batches."""
    rows = [row for row in evidence.verdict.rows if row.phase == "batch" and row.differs and not row.fault]
    rows = [row for row in rows if {"images", "labels"} <= evidence.a.arrays(row.step, "batch").keys()]
    for step in dict.fromkeys(row.step for row in rows):
        here = {row.name: row for row in rows if row.step == step}
        (images_a, labels_a), (images_b, labels_b) = (batch_of(evidence, side, step) for side in (0, 1))
        if not len(images_a) == len(images_b) == len(labels_a) == len(labels_b):
            continue
        order = places(images_b, images_a) if "images" in here else np.arange(len(images_a))
        if order is None:
            yield from from_other_steps(evidence, here["images"], step)
            continue
        moved = not np.array_equal(order, np.arange(len(order)))
        if moved and np.array_equal(labels_b, labels_a[order]):
            yield finding(here["images"], "the samples of the batch come in another order, labels with them")
        elif moved and np.array_equal(labels_b, labels_a):
            yield finding(here["images"], "the images of the batch change places, their labels do not")
        elif not moved and "labels" in here and np.array_equal(in_order(labels_b), in_order(labels_a)):
            yield finding(here["labels"], "the labels of the batch change places, their images do not")


def from_other_steps(evidence: Evidence, row: Row, step: int | None) -> Iterator[Finding]:
    """Look for a batch's images in all batches of the other side."""
    images = batch_of(evidence, 1, step)[0]
    everything = [batch_of(evidence, 0, s)[0] for s in range(evidence.a.facts["steps"])]
    if len(everything) > 1 and len({x.shape[1:] for x in everything}) == 1:
        known = [places(images[i : i + 1], np.concatenate(everything), once=False) for i in range(len(images))]
        count = sum(place is not None for place in known)
        if 2 * count >= len(images):
            yield finding(row, f"{count} of {len(images)} images are elsewhere in {evidence.a.label}'s batches")


def finding(row: Row, detail: str) -> Finding:
    """Return the finding at a row."""
    return Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def batch_of(evidence: Evidence, side: int, step: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels that a side was fed."""
    arrays = evidence.traces[side].arrays(step, "batch")
    return arrays["images"], arrays["labels" if "labels" in arrays else "mask"]


def in_order(labels: np.ndarray) -> np.ndarray:
    """Return the labels of a batch, (N,) or (N, K), in an order of their own, whatever the samples'."""
    return labels[np.lexsort(labels.reshape(len(labels), -1).T)]


def places(wanted: np.ndarray, images: np.ndarray, *, once: bool = True) -> np.ndarray | None:
    """Return where each image of `wanted` is in `images`, None unless all are there, and, if `once`, each once."""
    if wanted.shape[1:] != images.shape[1:] or not wanted.size:
        return None
    flat = [x.reshape(len(x), -1) for x in (wanted, images)]
    pixels = np.linspace(0, flat[0].shape[1] - 1, GLIMPSE).astype(int)
    glimpses = [x[:, pixels] for x in flat]
    order = np.array([np.abs(glimpses[1] - glimpse).max(1).argmin() for glimpse in glimpses[0]])
    if once and len(np.unique(order)) < len(images):
        return None
    return order if all(distance(x, flat[1][i]) <= ROUNDING for x, i in zip(flat[0], order, strict=True)) else None


ENTRY = Entry(
    name="data-order",
    title="The order of the samples",
    torch="DataLoader(shuffle=True) draws a permutation of the whole data set from torch's generator",
    tf="tf.data's shuffle(buffer) draws the next sample out of a buffer, from TensorFlow's generator; fit permutes "
    "arrays by tf.random.shuffle",
    why="no two generators give the same numbers for the same seed, and a buffer is no permutation of the whole",
    shows="the first batch has other samples, or the same ones elsewhere; losses differ from step 0, ends are alike",
    mend_torch="DataLoader(data, sampler=order) with an order that NumPy drew: np.random.default_rng([seed, epoch])"
    ".permutation(n).tolist()",
    mend_tf="fit(x[order], y[order], shuffle=False) with the same NumPy order, or tf.data without shuffle",
    probe=probe,
)
