"""Areas and overlaps of boxes."""

import numpy as np

from ft.metrics.boxes import area, iou


def test_iou_is_the_shared_area_over_all_of_it():
    a = np.array([[0.0, 0, 4, 2], [1, 1, 3, 5]])
    b = np.array([[2.0, 1, 6, 3], [4, 2, 8, 9], [1, 1, 3, 5]])
    np.testing.assert_array_equal(area(a), [8, 8])
    np.testing.assert_allclose(iou(a, b), [[2 / 14, 0, 2 / 14], [2 / 14, 0, 1]], rtol=0, atol=1e-16)


def test_iou_of_empty_boxes_is_0():
    point = np.array([[1.0, 1, 1, 1]])
    assert iou(point, point).tolist() == [[0.0]]
    assert iou(np.zeros((0, 4)), point).shape == (0, 1)
