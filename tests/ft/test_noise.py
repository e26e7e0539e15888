"""The generators: the published vectors, fair and independent masks, and no memory of what was drawn before."""

import hashlib

import numpy as np
import pytest

from ft.noise import GOLDEN, generator, keep_mask, keep_threshold, layer_key, mix

WRAP = (1 << 64) - 1


def splitmix64(key):
    """Return the next output of SplitMix64 from `key` in Python's unbounded integers: an oracle without NumPy."""
    z = (key + 0x9E3779B97F4A7C15) & WRAP
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WRAP
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WRAP
    return z ^ (z >> 31)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_the_published_vectors():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    states = np.int64(1234567) + np.arange(1, 4, dtype=np.int64) * np.int64(GOLDEN)
    assert mix(states).view(np.uint64).tolist() == published
    assert splitmix64(1234567) == published[0]


def test_a_mask_is_the_written_formula():
    seed, name, step, p, first = 5, "features.1.0", 7, 0.3, 2
    start = int.from_bytes(hashlib.sha256(b"5:features.1.0").digest()[:8], "little")
    golden = GOLDEN & WRAP
    key = splitmix64(start + step * golden)
    expected = [splitmix64(key + (i + first * 4) * golden) >> 40 >= round(p * 2**24) for i in range(12)]
    assert keep_mask(seed, name, step, (3, 2, 2), p, first).ravel().tolist() == expected


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_share_that_is_kept(p):
    mask = keep_mask(0, "x", 3, (1000, 100), p)
    deviation = np.sqrt(p * (1 - p) / mask.size)
    assert abs(mask.mean() - (1 - p)) <= 4 * deviation
    assert mask.mean(0).std() == pytest.approx(np.sqrt(p * (1 - p) / 1000), rel=0.4)  # columns are no copies


def test_seeds_names_steps_and_elements_are_independent():
    base = keep_mask(0, "a", 0, (400, 250), 0.5)
    others = [
        keep_mask(1, "a", 0, base.shape, 0.5),
        keep_mask(0, "b", 0, base.shape, 0.5),
        keep_mask(0, "a", 1, base.shape, 0.5),
        np.roll(base, 1),
        np.roll(base, 1, 0),
    ]
    for other in others:
        assert abs((base == other).mean() - 0.5) < 4 * 0.5 / np.sqrt(base.size)


def test_first_cuts_a_larger_batch():
    whole = keep_mask(3, "drop", 9, (8, 5, 2, 3), 0.4)
    parts = [keep_mask(3, "drop", 9, (n, 5, 2, 3), 0.4, first) for first, n in ((0, 3), (3, 1), (4, 4))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (parts[0] != whole[4:7]).any()


def test_an_empty_batch_has_an_empty_mask():
    assert keep_mask(0, "x", 0, (0, 4), 0.5).shape == (0, 4)


def test_the_threshold_counts_24_bit_values():
    assert [keep_threshold(p) for p in (0, 0.25, 0.5)] == [0, 1 << 22, 1 << 23]
    assert keep_mask(0, "x", 0, (1000,), 0.0).all()


def test_keys_are_signed_64_bits_and_differ():
    keys = {layer_key(seed, name) for seed in range(50) for name in ("", "a", "b", "1:a")}
    assert len(keys) == 200
    assert min(keys) < 0 < max(keys)
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)


def test_a_generator_depends_on_its_arguments_alone():
    expected = generator(1, "order", 2).permutation(100)
    np.random.seed(0)  # the global generator must not matter
    generator(1, "order", 3).random(1000)
    generator(2, "order", 2).random(10)
    np.testing.assert_array_equal(generator(1, "order", 2).permutation(100), expected)
    np.testing.assert_array_equal(generator(np.int64(1), "order", np.int32(2)).permutation(100), expected)


def test_no_two_places_share_a_generator():
    places = [
        (0, "order", 1),
        (1, "order", 0),
        (0, "augment", 1),
        (0, "order"),
        (0, "order", 1, 0),
        (0, "order", 11),
        (0, "order", 1, 1),
        (-1, "order", 1),
    ]
    assert len({generator(*place).integers(1 << 62) for place in places}) == len(places)
