"""Labels that changed places are told from other labels, one class an image or several."""

import numpy as np
import pytest

from ft.differences.data_order import in_order

ONE, SETS = np.array([3, 1, 2, 1]), np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("labels", [ONE, SETS])
def test_places_do_not_matter(labels):
    moved = labels[[2, 0, 3, 1]]
    assert not np.array_equal(moved, labels)
    np.testing.assert_array_equal(in_order(moved), in_order(labels))


@pytest.mark.parametrize(("labels", "others"), [(ONE, [3, 1, 2, 2]), (SETS, SETS[:, ::-1])])
def test_other_labels_do(labels, others):
    assert not np.array_equal(in_order(np.array(others)), in_order(labels))
