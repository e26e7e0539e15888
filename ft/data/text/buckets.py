"""Lengths to pad to: few, so that TensorFlow traces few graphs, and near, so that little is padded."""

from collections.abc import Sequence

import numpy as np

STEP = 8  # the shortest, and what all but the last are multiples of
WINDOW = 50  # batches among which texts of like length are looked for


def bucket_lengths(max_length: int) -> tuple[int, ...]:
    """Return the lengths that texts are padded to, the last of them `max_length`.

    Two for each doubling, 8, 16, 24, 32, 48, 64, 96 ...: at most a third of a longer batch is padding.
    """
    lengths, length = [], STEP
    while length < max_length:
        lengths.append(length)
        octave = 1 << (length.bit_length() - 1)
        length += max(STEP, octave // 2)
    return (*lengths, max_length)


def buckets_of(lengths: np.ndarray, buckets: Sequence[int]) -> np.ndarray:
    """Return what each length is padded to: the first bucket that it fits into."""
    return np.asarray(buckets, np.int64)[np.searchsorted(buckets, lengths)]


def group_by_length(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, *, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Return batches of texts of like length, each text once: positions, int64.

    order: the texts' positions as they were shuffled; within a window of it they are sorted by length. rng: puts the
    batches of a window in an order of their own, for length must not grow over an epoch; None leaves the sorted one.
    """
    batches: list[np.ndarray] = []
    for start in range(0, len(order), WINDOW * batch_size):
        window = order[start : start + WINDOW * batch_size]
        window = window[np.argsort(lengths[window], kind="stable")].astype(np.int64)
        cut = [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
        places = np.arange(len(cut)) if rng is None else rng.permutation(len(cut))
        batches += [cut[place] for place in places]
    return batches
