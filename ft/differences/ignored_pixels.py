"""Pixels that do not count: left out of the sum and of what it is divided by, of the sum alone, or of neither."""

from collections.abc import Iterator

import numpy as np

from ft.differences.entry import Entry
from ft.metrics.pixels import LEFT_OUT
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.trace import Trace


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own logits and masks what its loss does with the pixels that do not count."""
    for row in evidence.verdict.rows:
        if row.phase == "loss" and row.differs and row.step is not None:
            ways = [way_of(evidence, trace, row.step) for trace in evidence.traces]
            if None not in ways and ways[0] != ways[1]:
                detail = f"{evidence.a.label}: {ways[0]}; {evidence.b.label}: {ways[1]}"
                yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def way_of(evidence: Evidence, trace: Trace, step: int) -> str | None:
    """Return in words the mean of the pixels' cross-entropies that is a side's loss, None where none is."""
    masks, logits = (trace.arrays(step, phase).get(name) for phase, name in (("batch", "mask"), ("forward", "logits")))
    if masks is None or logits is None or logits.shape[:-1] != masks.shape or not np.isfinite(logits).all():
        return None
    counted = masks != LEFT_OUT
    if counted.all() or masks[counted].max(initial=0) >= logits.shape[-1]:
        return None
    loss = trace.arrays(step, "loss")["loss"]
    return next((words for words, x in means(logits, masks, counted).items() if same(evidence, x, loss)), None)


def means(logits: np.ndarray, masks: np.ndarray, counted: np.ndarray) -> dict[str, float]:
    """Return the mean of the pixels' cross-entropies, in every way, by its name in words."""
    z = logits - logits.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    labels = np.where(counted, masks, 0).astype(np.int64)
    losses = -np.take_along_axis(log_p, labels[..., None], -1)[..., 0]
    own = losses * counted
    pictures = [float(x.sum() / max(n.sum(), 1)) for x, n in zip(own, counted, strict=True)]
    return {
        "divided by the pixels that count": float(own.sum() / max(counted.sum(), 1)),
        "divided by all pixels": float(own.sum() / counted.size),
        "pixels that do not count taken for class 0": float(losses.mean()),
        "the mean of every picture's own mean": sum(pictures) / len(pictures),
    }


def same(evidence: Evidence, x: float, loss: np.ndarray) -> bool:
    """Tell whether a number is a side's loss."""
    return distance(np.array([x]), np.asarray(loss, np.float64).reshape(1)) <= evidence.close


ENTRY = Entry(
    name="ignored-pixels",
    title="Pixels that do not count: ignore 255",
    torch="F.cross_entropy(z, y, ignore_index=255) leaves them out of the sum and of the number that it is divided by; "
    "the default of ignore_index is -100, which no mask of bytes holds",
    tf="SparseCategoricalCrossentropy(ignore_class=255) does the same; loops by hand multiply the losses by a mask and "
    "take reduce_mean, which divides by all pixels, or by weights that turn 255 into class 0",
    why="a mean over what counts has another divisor for every batch, which a weight of 0 does not tell it",
    shows="the loss is smaller by the share of pixels that do not count, another one in every batch: a hidden "
    "factor on the learning rate",
    mend_torch='F.cross_entropy(z, y, ignore_index=255, reduction="sum") / y.numel(), to divide by all pixels',
    mend_tf="tf.reduce_sum(losses * counted) / tf.reduce_sum(counted)",
    probe=probe,
)
