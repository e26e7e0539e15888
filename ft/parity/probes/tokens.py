"""Texts in a trace: their numbers, and which of their places are no padding."""

from collections.abc import Iterator, Mapping

import numpy as np

IDS, MASKS = ("ids", "input_ids"), ("mask", "attention_mask")


def ids_of(batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the numbers of a batch's tokens (N, T), None where it has none."""
    return next((batch[name] for name in IDS if name in batch and batch[name].ndim == 2), None)


def mask_of(batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return where a batch's tokens are (N, T), True and False; None where it does not say or a text has none."""
    mask = next((batch[name] for name in MASKS if name in batch and batch[name].ndim == 2), None)
    return None if mask is None or not np.isin(mask, (0, 1)).all() or not mask.any(1).all() else mask.astype(bool)


def texts_of(batch: Mapping[str, np.ndarray]) -> list[np.ndarray] | None:
    """Return the tokens of every text without its padding, None where a batch does not say them."""
    ids, mask = ids_of(batch), mask_of(batch)
    if ids is None or mask is None or ids.shape != mask.shape:
        return None
    return [row[here] for row, here in zip(ids, mask, strict=True)]


def places_in(mask: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the places of each text (N,) that may stand for all of it, in words."""
    count, length = mask.shape
    yield "the last token that is no padding", (mask * np.arange(length)).argmax(1)
    yield "the last place, padding or not", np.full(count, length - 1)
    yield "the first token that is no padding", mask.argmax(1)
    yield "the first place, padding or not", np.zeros(count, np.int64)
