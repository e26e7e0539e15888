"""Layouts: element by element, by the definition of each convolution, and back again."""

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import canonical_shape, from_canonical, to_canonical

SHAPES = {"conv": (2, 3, 4, 5), "depthwise": (2, 3, 4, 5), "linear": (4, 5), "same": (4, 5, 6)}


def keras_weight(layout: str) -> np.ndarray:
    return np.arange(np.prod(SHAPES[layout]), dtype=np.float32).reshape(SHAPES[layout])


@pytest.mark.parametrize("layout", SHAPES)
def test_round_trips(layout: str) -> None:
    weight = keras_weight(layout)
    there = to_canonical(weight, layout)
    back = from_canonical(there, layout, multiplier=5)
    assert there.shape == canonical_shape(weight.shape, layout)
    assert there.flags.c_contiguous
    assert back.flags.c_contiguous
    assert back.dtype == weight.dtype
    np.testing.assert_array_equal(back, weight)
    np.testing.assert_array_equal(to_canonical(back, layout), there)


def test_conv_elements() -> None:
    w_hwio = keras_weight("conv")
    w_oihw = to_canonical(w_hwio, "conv")
    assert w_oihw.shape == (5, 4, 2, 3)
    assert all(w_oihw[o, i, h, w] == w_hwio[h, w, i, o] for h, w, i, o in np.ndindex(w_hwio.shape))


def test_depthwise_elements() -> None:
    w_hwim = keras_weight("depthwise")
    w_canonical = to_canonical(w_hwim, "depthwise")
    assert w_canonical.shape == (20, 1, 2, 3)
    assert all(w_canonical[i * 5 + m, 0, h, w] == w_hwim[h, w, i, m] for h, w, i, m in np.ndindex(w_hwim.shape))


def test_depthwise_multiplier_is_one_unless_said() -> None:
    weight = np.arange(24.0).reshape(2, 3, 4, 1)
    np.testing.assert_array_equal(from_canonical(to_canonical(weight, "depthwise"), "depthwise"), weight)


def test_linear_elements() -> None:
    w_in_out = keras_weight("linear")
    assert all(to_canonical(w_in_out, "linear")[o, i] == w_in_out[i, o] for i, o in np.ndindex(4, 5))


@pytest.mark.parametrize("move", [to_canonical, from_canonical])
@pytest.mark.parametrize(("layout", "shape"), [("conv", (2, 3, 4)), ("depthwise", (2, 3)), ("linear", (2, 3, 4, 5))])
def test_shape_that_cannot_have_the_layout(move, layout: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(WeightsError, match=f"layout '{layout}'; expected"):
        move(np.ones(shape), layout)


@pytest.mark.parametrize(("shape", "multiplier"), [((6, 2, 3, 3), 1), ((6, 1, 3, 3), 4)])
def test_depthwise_that_is_none(shape: tuple[int, ...], multiplier: int) -> None:
    with pytest.raises(WeightsError, match="depthwise"):
        from_canonical(np.ones(shape), "depthwise", multiplier=multiplier)


def test_layout_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="did you mean 'conv'"):
        to_canonical(np.ones(1), "convv")
