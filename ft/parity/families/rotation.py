"""Rotary positions: pairs of channels turned by angles that grow with the position, as Llama and GPT-NeoX do it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ft.parity.families.same import number, same

LEAST = 3  # axes: samples, positions, channels
FIXED = 1e-9  # how far angles may be apart that are one
EXACT, ROUNDED = 1e-12, 1e-5  # how far angles are off, from what is no more than float64's rounding to float32's
LENGTH = 5e-7  # how far a turn in float32 may be from one that keeps lengths
SHOWN = 3  # angles that are told where they follow no base


def fit(case: Any) -> str | None:
    """Return which channels are turned together, and the base of their angles; keys may be turned for a product."""
    if case.parameters or case.output.ndim < LEAST:
        return None
    sides = case.output, case.output.swapaxes(-1, -2)
    pairs = ((x, y) for x in case.inputs for y in sides if x.shape == y.shape and x.dtype.kind == y.dtype.kind == "f")
    return next((words for x, y in pairs if (words := fit_pair(x, y, case))), None)


def fit_pair(x: np.ndarray, y: np.ndarray, case: Any) -> str | None:
    """Return how one array becomes another by turning its channels."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    width = turned_channels(x, y, case.close)
    for count in dict.fromkeys((width, x.shape[-1] // 2 * 2)) if width else ():
        for positions in range(1, x.ndim - 1):
            for words, join in ways(count):
                turns = read_turns(join(x), join(y), positions, case.close)
                if turns is not None:
                    rest = f", the first {count} channels" if count < x.shape[-1] else ""
                    return f"rotary positions along axis {positions}: {words}, {angles(turns, exact=case.exact)}{rest}"
    return None


def turned_channels(x: np.ndarray, y: np.ndarray, close: float) -> int:
    """Return up to which channel, an even number of them, something changes."""
    far = np.abs(x - y).reshape(-1, x.shape[-1]).max(0)
    changed = np.flatnonzero(far > close * np.abs(x).max(initial=0.0))
    last = int(changed[-1]) + 1 if changed.size else 0
    return min(last + last % 2, x.shape[-1] // 2 * 2)


def ways(count: int) -> Iterator[tuple[str, Any]]:
    """Yield which of so many channels are one number together, in words and as a function of an array."""
    half = count // 2
    yield "both halves", lambda z: z[..., :half] + 1j * z[..., half:count]
    yield "neighbours", lambda z: z[..., 0:count:2] + 1j * z[..., 1:count:2]


def read_turns(x: np.ndarray, y: np.ndarray, positions: int, close: float) -> np.ndarray | None:
    """Return by what the numbers of each position and pair are turned, None where that is not all, or no position's."""
    axes = tuple(i for i in range(x.ndim - 1) if i != positions)
    with np.errstate(all="ignore"):
        turns = (y * x.conj()).sum(axes, keepdims=True) / (x * x.conj()).sum(axes, keepdims=True)
    if not np.isfinite(turns).all() or np.abs(np.abs(turns) - 1).max() > LENGTH:
        return None
    turned = x * turns
    one, other = (np.stack([np.real(z), np.imag(z)]) for z in (turned, y))
    turns = turns.reshape(x.shape[positions], x.shape[-1])
    return turns if np.ptp(np.imag(turns), 0).max() > FIXED and same(one, other, close) else None


def angles(turns: np.ndarray, *, exact: bool = False) -> str:
    """Return the base of the angles in words, and at which position they begin; else the first of them.

    exact: tell by how much they are off from those of the base in so many digits, as those in float32 are.
    """
    steps = np.angle(turns[1:] / turns[:-1])
    count = turns.shape[1]
    if len(steps) and count > 1 and steps[0, 0] and steps[0, -1] / steps[0, 0] > 0:
        base = float((steps[0, -1] / steps[0, 0]) ** -(count / (count - 1)))
        rates = steps[0, 0] * base ** (-np.arange(count) / count)
        first = np.angle(turns[0, 0]) / steps[0, 0]
        made = np.exp(1j * (first + np.arange(len(turns)))[:, None] * rates)
        if np.abs(made - turns).max() < 1e-6:
            rate = "" if abs(steps[0, 0] - 1) < 1e-6 else f", {number(steps[0, 0])} a position"
            start = f" from position {number(first)}" if abs(first) > 1e-6 else ""
            return f"base {number(base)}{rate}{start}" + (off_by(turns, float(number(base))) if exact else "")
    return "angles " + ", ".join(number(a) for a in (steps if len(steps) else np.angle(turns))[0, :SHOWN])


def off_by(turns: np.ndarray, base: float) -> str:
    """Return how far turns are off from those of a base, in words, "" where that is nothing."""
    count = turns.shape[1]
    made = np.exp(1j * np.arange(len(turns))[:, None] * base ** (-np.arange(count) / count))
    far = float(np.sqrt(np.mean(np.abs(made - turns) ** 2)))  # the largest may be off alike in two that are not
    return f" off by {far:.3g}, as float32's is" if EXACT < far < ROUNDED else ""
