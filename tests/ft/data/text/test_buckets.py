"""Lengths to pad to, and batches of like length."""

import numpy as np
import pytest

from ft.data.text import bucket_lengths, buckets_of, group_by_length


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 128, 500, 512, 1024])
def test_few_buckets_and_near(longest):
    buckets = bucket_lengths(longest)
    assert buckets == tuple(sorted(set(buckets)))
    assert buckets[-1] == longest
    assert len(buckets) <= 16
    assert all(length % 8 == 0 for length in buckets[:-1])
    lengths = np.arange(1, longest + 1)
    padded = buckets_of(lengths, buckets)
    assert (padded >= lengths).all()
    assert (padded[lengths > 8] <= 1.5 * lengths[lengths > 8] + 8).all()


def test_of_512():
    assert bucket_lengths(512) == (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def test_batches_of_like_length():
    rng = np.random.default_rng(0)
    lengths, order = rng.integers(1, 100, 1003), rng.permutation(1003)
    batches = group_by_length(order, lengths, 8, rng=np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert sorted(map(len, batches)) == [3] + [8] * 125
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert spread < 5 < np.mean([np.ptp(lengths[order[i : i + 8]]) for i in range(0, 1000, 8)])
    again = group_by_length(order, lengths, 8, rng=np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
