"""The padding probe: a map that is smaller than a window has no padding of that kind, and is no crash."""

from types import SimpleNamespace

import numpy as np

from ft.differences.padding import comparable, layer_with, pads_in


def test_a_map_that_is_smaller_than_the_window_gives_no_number():
    side = SimpleNamespace(inputs=(np.ones((1, 2, 2, 2)),), weights={"weight": np.ones((3, 2, 3, 3))})
    assert np.isnan(layer_with(side, window=(3, 3), rows=(1, 0, 0), columns=(1, 0, 0))).all()
    assert layer_with(side, window=(3, 3), rows=(1, 1, 0), columns=(1, 1, 0)).shape == (1, 3, 1, 1)


def test_a_stride_that_has_moved_leaves_no_map_to_compare_a_padding_of():
    sides = [SimpleNamespace(inputs=(np.ones((1, 2, n, n)),)) for n in (16, 10, 16)]
    used = "stride 2, 1 alike on both sides", "stride 1, 0 alike on both sides"
    assert not comparable(*used, (sides[0], sides[1]))
    assert comparable(*used, (sides[0], sides[2]))
    assert comparable(used[0], used[0], (sides[0], sides[1]))


def test_vectors_are_no_map():
    side = SimpleNamespace(inputs=(np.ones((2, 5)),), weights={"weight": np.ones((3, 5, 1, 1))})  # of a linear layer
    assert np.isnan(layer_with(side, window=(1, 1), rows=(1, 0, 0), columns=(1, 0, 0))).all()


def test_a_stride_alone_is_no_padding():
    assert pads_in("stride 1, 0 alike on both sides") == pads_in("stride 2, 0 alike on both sides")
    assert pads_in("stride 2, 0 before and 1 after") != pads_in("stride 2, 1 alike on both sides")
