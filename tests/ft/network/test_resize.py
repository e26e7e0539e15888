"""The weights of bilinear resizing, against torch's function."""

import numpy as np
import pytest

from ft.network.resize import bilinear_weights, nearest_places
from tests.oracle import needs_torch, torch


@needs_torch
@pytest.mark.parametrize(("old", "new"), [(1, 1), (1, 9), (5, 5), (7, 13), (13, 7), (33, 520), (3, 8)])
def test_weights_are_those_of_torch(old, new):
    """An identity matrix, resized along one axis, is the matrix of the weights."""
    ones = torch.eye(old, dtype=torch.float64)[None, None]
    theirs = torch.nn.functional.interpolate(ones, (new, old), mode="bilinear", align_corners=False)[0, 0].numpy()
    np.testing.assert_allclose(bilinear_weights(old, new), theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("old", "new"), [(4, 8), (9, 5), (65, 520)])
def test_rows_sum_to_one_and_mirror(old, new):
    weights = bilinear_weights(old, new)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-13)


@needs_torch
def test_nearest_places_are_those_of_torch():
    """At the sizes of a pyramid; at others torch itself rounds in different ways."""
    for old in range(1, 300):
        for new in (old, 2 * old - 1, 2 * old):
            numbers = torch.arange(old, dtype=torch.float64)[None, None]
            theirs = torch.nn.functional.interpolate(numbers, (new,), mode="nearest")[0, 0].numpy()
            np.testing.assert_array_equal(nearest_places(old, new), theirs)
