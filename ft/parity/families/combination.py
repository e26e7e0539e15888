"""Sums and products of the inputs, each with its factor: residuals, scales, means instead of sums."""

from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ft.parity.families.same import exactly, number, same

MOST = 4  # inputs beyond which nothing is read off


def fit(case: Any) -> str | None:
    """Return the factors with which the inputs, and their products, add up to the output."""
    y = case.output.astype(np.float64)
    if case.parameters or not 1 <= len(case.inputs) <= MOST:
        return None
    try:
        xs = [np.broadcast_to(x, y.shape).astype(np.float64) for x in case.inputs if x.dtype.kind == "f"]
    except ValueError:
        return None
    if not xs:
        return None
    names = [f"x{i}" for i in range(len(xs))] if len(xs) > 1 else ["x"]
    columns = {name: x.ravel() for name, x in zip(names, xs, strict=True)} | {"1": np.ones(y.size)}
    formula = solved(columns, y, case.close, exact=case.exact)
    if formula is None and len(xs) > 1:
        pairs = combinations_with_replacement(range(len(xs)), 2)
        columns |= {f"x{i} * x{j}": (xs[i] * xs[j]).ravel() for i, j in pairs if i != j}
        formula = solved(columns, y, case.close, exact=case.exact)
    return formula


def solved(columns: dict[str, np.ndarray], y: np.ndarray, close: float, *, exact: bool = False) -> str | None:
    """Return the sum in words that gives the output, None where none does. exact: with all digits of its factors."""
    matrix = np.stack(list(columns.values()), -1)
    if not np.isfinite(matrix).all() or not np.isfinite(y).all():
        return None
    scales = np.abs(matrix).max(0)
    factors = np.linalg.lstsq(matrix / np.where(scales, scales, 1), y.ravel(), rcond=None)[0] / np.where(
        scales, scales, 1
    )
    if not same(matrix @ factors, y.ravel(), close):
        return None
    size = np.abs(y).max(initial=0.0)
    told = [(f, name) for f, name, s in zip(factors, columns, scales, strict=True) if abs(f) * s > close * size]
    near, words = (close, exactly) if exact else (1e-9, number)
    return " + ".join(name if abs(f - 1) < near else f"{words(f)} * {name}" for f, name in told) or "0"


def after(before: np.ndarray, output: np.ndarray, close: float) -> str | None:
    """Return the factor and the shift that turn one output into another."""
    columns = {"x": before.ravel().astype(np.float64), "1": np.ones(before.size)}
    constant = not np.ptp(output)  # it comes of nothing
    return (
        None
        if constant or same(before, output, close)
        else solved(columns, output.astype(np.float64), close, exact=True)
    )
