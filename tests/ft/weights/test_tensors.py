"""What holds for any dict of tensors."""

import ml_dtypes
import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import cast, require_finite

MIXED = {
    "f16": np.ones(2, np.float16),
    "bf16": np.ones(2, ml_dtypes.bfloat16),
    "f64": np.array([1 / 3, 2]),
    "count": np.array(2**53 + 1),
    "mask": np.array([True]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float16, ml_dtypes.bfloat16])
def test_cast_touches_floating_tensors_only(dtype: str | type) -> None:
    arrays = cast(MIXED, dtype)
    assert [arrays[name].dtype for name in ("f16", "bf16", "f64")] == [np.dtype(dtype)] * 3
    assert arrays["count"].dtype == np.int64
    assert arrays["count"].item() == 2**53 + 1
    assert arrays["mask"].dtype == bool
    np.testing.assert_array_equal(arrays["f64"], MIXED["f64"].astype(dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["f16", "bf16", "f64"])
def test_require_finite_names_what_is_not(bad: float, name: str) -> None:
    require_finite(MIXED, "x.pth")
    broken = {**MIXED, name: np.array([1, bad], MIXED[name].dtype)}
    with pytest.raises(WeightsError, match=f"x.pth: NaN or infinity in {name};"):
        require_finite(broken, "x.pth")
