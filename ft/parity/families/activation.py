"""Functions of one element: the activations of both frameworks, with their slopes, limits and approximations."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ft.parity.families.same import exactly, first, number, same

SAMPLE = 4000  # elements that are enough to tell a function by
ROOT = math.sqrt(0.5)


def fit(case: Any) -> str | None:
    """Return the function that gives every element of the output from the same element of the input."""
    if len(case.inputs) != 1 or case.parameters or case.inputs[0].shape != case.output.shape:
        return None
    x, y = (spread(array.ravel()).astype(np.float64) for array in (case.inputs[0], case.output))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    return first(((name, lambda f=f: f(x)) for name, f in FUNCTIONS.items()), y, case.close) or read_off(
        x, y, case.close, exactly if case.exact else number
    )


def spread(x: np.ndarray) -> np.ndarray:
    """Return a sample of the elements, from everywhere."""
    return x[:: max(x.size // SAMPLE, 1)]


def read_off(x: np.ndarray, y: np.ndarray, close: float, number: Callable[[float], str] = number) -> str | None:
    """Return a function whose numbers are read off the elements. number: how they are told."""
    with np.errstate(all="ignore"):
        return first(((name, lambda f=f: f) for name, f in with_numbers(x, y, number)), y, close)


def with_numbers(x: np.ndarray, y: np.ndarray, number: Callable[[float], str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield functions with the numbers that the elements imply."""
    below, above = x < 0, x > 0
    if below.any():
        at = np.argmin(x)
        slope = y[at] / x[at]
        yield f"leaky_relu({number(slope)})", np.where(below, slope * x, x)
        alpha = y[at] / math.expm1(x[at])
        yield f"elu({number(alpha)})", np.where(below, alpha * np.expm1(x), x)
        if above.any():
            scale = y[np.argmax(x)] / x.max()
            alpha = y[at] / scale / math.expm1(x[at])
            yield f"selu({number(scale)}, {number(alpha)})", scale * np.where(below, alpha * np.expm1(x), x)
    for beta in (1.702, 1.5, 2.0, 0.5):
        yield f"silu(beta {beta})", x * sigmoid(beta * x)
    for words, shift, f in (("log", np.exp(y) - x, np.log), ("sqrt", np.square(y) - x, np.sqrt)):
        c = float(np.median(shift))
        yield f"{words}(x + {number(c)})", f(x + c)
    low, high = y.min(), y.max()
    if low == high:
        return
    yield f"clip({number(low)}, {number(high)})", np.clip(x, low, high)
    yield f"clip(from {number(low)})", np.maximum(x, low)
    yield f"clip(to {number(high)})", np.minimum(x, high)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def erf(x: np.ndarray) -> np.ndarray:
    """Return the error function."""
    return np.array([math.erf(value) for value in x])


def gelu(x: np.ndarray, root: float = ROOT) -> np.ndarray:
    """Return the exact GELU."""
    return 0.5 * x * (1 + erf(x * root))


def gelu_tanh(x: np.ndarray, cubic: float = 0.044715) -> np.ndarray:
    """Return the GELU approximated by tanh."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3)))


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x))."""
    return np.logaddexp(x, 0.0)


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "gelu": gelu,
    "gelu, sqrt(1/2) in float32": lambda x: gelu(x, float(np.float32(ROOT))),
    "gelu(tanh)": gelu_tanh,
    "gelu(tanh), 0.044715 in float32": lambda x: gelu_tanh(x, float(np.float32(0.044715))),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "softplus": softplus,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid(0.2)": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "logsigmoid": lambda x: -softplus(-x),
    "tanhshrink": lambda x: x - np.tanh(x),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "hardshrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "exp": np.exp,
    "square": np.square,
    "abs": np.abs,
    "negative": np.negative,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "erf": erf,
    "sin": np.sin,
    "cos": np.cos,
    "reciprocal": lambda x: 1 / x,
    "rounded to float32": lambda x: x.astype(np.float32).astype(np.float64),
    "rounded to float16": lambda x: x.astype(np.float16).astype(np.float64),
}


def after(before: np.ndarray, output: np.ndarray, close: float) -> str | None:
    """Return the function of one element that turns one output into another."""
    x, y = spread(before.ravel()).astype(np.float64), spread(output.ravel()).astype(np.float64)
    if x.shape != y.shape or same(x, y, close):
        return None
    return first(((name, lambda f=f: f(x)) for name, f in FUNCTIONS.items()), y, close) or read_off(x, y, close)
