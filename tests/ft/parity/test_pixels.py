"""Maps between batches of images: found where they are exact, and only there."""

import numpy as np

from ft.parity.probes.pixels import channel_map, level_size, roughness
from ft.parity.probes.replay import cut_frame

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 256, (2, 12, 14, 3)).astype(float)


def test_channel_map():
    scale, shift = np.array([0.5, -2, 3]), np.array([1, 0, -4])
    scaling = channel_map(LEVELS, LEVELS * scale + shift)
    assert scaling is not None
    np.testing.assert_allclose(scaling, (scale, shift), rtol=1e-12, atol=1e-10)
    bent = LEVELS.copy()
    bent[0, 0, 0, 0] += 1e-3
    assert channel_map(LEVELS, bent) is None
    assert channel_map(np.ones_like(LEVELS), LEVELS) is None


def test_level_size():
    std = np.array([58.4, 57.1, 57.4])
    np.testing.assert_allclose(level_size((LEVELS - 120) / std), 1 / std)
    np.testing.assert_allclose(level_size(((LEVELS - 120) / std).astype(np.float32)), 1 / std, rtol=1e-3)
    assert level_size(RNG.normal(size=LEVELS.shape)) is None
    assert level_size(np.zeros_like(LEVELS)) is None


def test_roughness():
    assert roughness(np.ones((1, 4, 4, 3))) == 0
    assert roughness(2 * LEVELS) == 4 * roughness(LEVELS)


def test_cut_frame():
    x = RNG.normal(size=(2, 3, 4, 5))
    for pads in ((1, 1, 1, 1), (0, 1, 0, 1), (1, 0, 2, 1)):
        framed = np.pad(x, ((0, 0), (0, 0), pads[:2], pads[2:]))
        np.testing.assert_array_equal(cut_frame(framed, x.shape), x)
    assert cut_frame(x, x.shape) is x
    assert cut_frame(x, (2, 3, 2, 3)) is x  # what is cut off is not zero
    assert cut_frame(x, (2, 3, 9, 9)) is x
