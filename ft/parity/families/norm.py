"""Normalisation: over which axes, with or without a mean, n or n - 1, and what is added to the variance."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ft.parity.families.same import number, same

MOST = 100  # times the largest variance that what is added to it may be


def fit(case: Any) -> str | None:
    """Return the normalisation that gives the output from the input, with the eps that it implies."""
    if not case.inputs or case.inputs[0].shape != case.output.shape or case.output.ndim < 2:
        return None
    x, y = case.inputs[0].astype(np.float64), case.output.astype(np.float64)
    if {"running_mean", "running_var"} <= case.parameters.keys():
        return by_statistics(case, x, y)
    for name, shaped, axes, channel in ways(x, case):
        for centred in (True, False):
            for ddof in (0, 1) if centred else (0,):
                eps = read_eps(x, y, case, shaped, axes, channel, centred=centred, ddof=ddof)
                if eps is not None:
                    words = name if centred else f"{name} without a mean"
                    return f"{words} (eps {number(eps)}{', n - 1' if ddof else ''})"
    return None


def by_statistics(case: Any, x: np.ndarray, y: np.ndarray) -> str | None:
    """Return the eps of a BatchNorm in inference."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    ones = np.ones_like(case.parameters["running_mean"])
    if x.shape[1] != ones.size:
        return None
    mean, variance, weight, bias = (
        case.parameters.get(leaf, other).reshape(shape)
        for leaf, other in (("running_mean", ones), ("running_var", ones), ("weight", ones), ("bias", 0 * ones))
    )
    with np.errstate(all="ignore"):
        eps = np.square((x - mean) * weight / (y - bias)) - variance
    if not np.isfinite(eps).any():
        return None
    value = max(float(np.median(eps[np.isfinite(eps)])), 0.0)
    made = (x - mean) / np.sqrt(variance + value) * weight + bias
    return f"batch norm (eps {number(value)})" if same(made, y, case.close) else None


def ways(x: np.ndarray, case: Any) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], int]]:
    """Yield names of normalisations, the shape in which they see the input, their axes, the channels' axis."""
    last = x.ndim - 1
    for channel in dict.fromkeys((last, 1)) if x.ndim > 2 else (last,):
        yield f"over axis {channel}", x.shape, (channel,), channel
    if x.ndim > 2:
        sides = tuple(range(2, x.ndim))
        yield "over each map", x.shape, sides, 1
        yield "over all of a sample", x.shape, tuple(range(1, x.ndim)), 1
        for groups in (g for g in range(2, x.shape[1]) if x.shape[1] % g == 0):
            shaped = (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
            yield f"over {groups} groups of channels", shaped, tuple(range(2, len(shaped))), 1
    yield "over the batch", x.shape, tuple(i for i in range(x.ndim) if i != 1), 1


def read_eps(
    x: np.ndarray,
    y: np.ndarray,
    case: Any,
    shaped: tuple[int, ...],
    axes: tuple[int, ...],
    channel: int,
    *,
    centred: bool,
    ddof: int,
) -> float | None:
    """Return what is added to the variance, None where no number gives the output."""
    shape = [1] * x.ndim
    shape[channel] = -1
    weight = case.parameters.get("weight", np.ones(x.shape[channel]))
    bias = case.parameters.get("bias", np.zeros(x.shape[channel]))
    if weight.size != x.shape[channel] or bias.size != x.shape[channel]:
        return None
    if np.prod([shaped[i] for i in axes]) <= ddof + 1:
        return None
    weight, bias = weight.reshape(shape), bias.reshape(shape)
    with np.errstate(all="ignore"):
        plain = ((y - bias) / weight).reshape(shaped)
        z = x.reshape(shaped)
        z = z - z.mean(axes, keepdims=True) if centred else z
        count = np.prod([shaped[i] for i in axes])
        power = (z**2).sum(axes, keepdims=True) / (count - ddof)
        scale = (z * plain).sum(axes, keepdims=True) / np.maximum((z**2).sum(axes, keepdims=True), 1e-300)
        eps = 1 / np.square(scale) - power
        if not np.isfinite(eps).any():
            return None
        small = np.nanargmin(np.where(np.isfinite(eps), power, np.inf))
        value = max(float(eps.ravel()[small]), 0.0)
        value = 0.0 if value < 1e-13 else value
        if value > MOST * power.max():
            return None  # a factor, whatever the numbers are
        made = (z / np.sqrt(power + value)).reshape(x.shape) * weight + bias
    return value if same(made, y, case.close) else None
