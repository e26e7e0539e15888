"""What becomes one number out of many: means, sums and extremes over axes, and softmax along one."""

from itertools import combinations
from typing import Any

import numpy as np

from ft.parity.families.same import first, number, same

KINDS = {
    "mean": np.mean,
    "sum": np.sum,
    "maximum": np.max,
    "minimum": np.min,
    "standard deviation": np.std,
    "standard deviation (n - 1)": lambda x, axes: np.std(x, axes, ddof=1),
    "variance": np.var,
    "variance (n - 1)": lambda x, axes: np.var(x, axes, ddof=1),
    "norm": lambda x, axes: np.sqrt(np.sum(x**2, axes)),
    "log of the sum of exponentials": lambda x, axes: np.log(np.sum(np.exp(x), axes)),
    "product": np.prod,
}


def fit(case: Any) -> str | None:
    """Return which reduction over which axes gives the output."""
    if case.parameters or len(case.inputs) != 1 or case.output.size >= case.inputs[0].size:
        return None
    x, y = case.inputs[0], case.output
    sets = [axes for count in range(1, x.ndim + 1) for axes in combinations(range(x.ndim), count)]
    reductions = [
        (f"{name} over axes {', '.join(map(str, axes))}", lambda f=f, axes=axes: f(x, axes))
        for axes in sets
        if x.size // np.prod([x.shape[i] for i in axes]) == y.size
        for name, f in KINDS.items()
    ]
    places = [
        (f"{word} along axis {axis}", lambda axis=axis, place=place: np.take(x, place, axis))
        for axis in range(x.ndim)
        if x.size // x.shape[axis] == y.size
        for word, place in (("the first", 0), ("the last", -1))
    ]
    return first([*reductions, *places], y, case.close)


def fit_softmax(case: Any) -> str | None:
    """Return along which axis a softmax gives the output."""
    if case.parameters or len(case.inputs) != 1 or case.inputs[0].shape != case.output.shape:
        return None
    x = case.inputs[0]
    sets = [(axis,) for axis in range(x.ndim)] + [tuple(range(i, x.ndim)) for i in range(1, x.ndim - 1)]
    hypotheses = [
        (f"{name} along axis {', '.join(map(str, axes))}", lambda f=f, axes=axes: f(x, axes))
        for axes in sets
        for name, f in (("softmax", softmax), ("log softmax", lambda x, axes: np.log(softmax(x, axes))))
    ]
    of_one = ("softmax along an axis of size 1", lambda: np.ones(x.shape))
    return first([*hypotheses, of_one], case.output, case.close) or with_factor(x, case)


def with_factor(x: np.ndarray, case: Any) -> str | None:
    """Return along which axis a softmax of the input times a number gives the output, as of a temperature."""
    if x.dtype.kind != "f" or not (case.output > 0).all():
        return None
    for axis in range(x.ndim):
        z, logs = (y - y.mean(axis, keepdims=True) for y in (x.astype(np.float64), np.log(case.output)))
        factor = float((z * logs).sum() / max((z * z).sum(), 1e-300))
        if same(softmax(factor * x, (axis,)), case.output, case.close):
            return f"softmax along axis {axis}, of {number(factor)} times the input"
    return None


def softmax(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return shares along axes that add up to 1."""
    e = np.exp(x - x.max(axes, keepdims=True))
    return e / e.sum(axes, keepdims=True)
