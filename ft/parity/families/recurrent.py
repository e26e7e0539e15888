"""Recurrent cells: LSTM, GRU and the plain one, by the order of their gates, the place of the reset and activations."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from ft.parity.families.activation import sigmoid
from ft.parity.families.same import first

GATES = {
    "sigmoid": sigmoid,
    "hard sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard sigmoid (0.2)": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
}
STATES = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "sigmoid": sigmoid, "identity": lambda x: x}


def fit(case: Any) -> str | None:
    """Return the cell that gives the outputs (N, T, units) from a sequence (N, T, C), that of the first direction."""
    weights = by_kind(case.parameters)
    if len(case.inputs) != 1 or not {"weight_ih", "weight_hh"} <= weights.keys() or case.inputs[0].ndim != 3:
        return None
    units = weights["weight_hh"].shape[1]
    y = case.output[..., :units]
    x = case.inputs[0]
    if y.shape != (*x.shape[:2], units):
        return None
    gates = weights["weight_hh"].shape[0] // units
    for way, sequence in (("", x), (", backwards", x[:, ::-1])):
        told = ((words + way, lambda f=f, x=sequence: f(x)) for words, f in cells(weights, gates, units))
        if answer := first(told, y, case.close):
            return answer
    return None


def by_kind(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of the first layer and direction."""
    weights: dict[str, np.ndarray] = {}
    for leaf, array in parameters.items():
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            if leaf.startswith(kind) and "reverse" not in leaf and not leaf.endswith(("l1", "l2", "l3")):
                weights.setdefault(kind, array)
    return weights


def cells(weights: dict[str, np.ndarray], gates: int, units: int) -> Iterator[tuple[str, Any]]:
    """Yield cells in words and as functions of a sequence."""
    orders = sorted(permutations(range(gates)), key=lambda order: sum(i != g for i, g in enumerate(order)))
    for order in orders:
        words = "" if order == tuple(range(gates)) else f", gates in the order {', '.join(map(str, order))}"
        for (gate, g), (state, s) in [(g, s) for g in GATES.items() for s in STATES.items()]:
            if words and (gate, state) != ("sigmoid", "tanh"):
                continue
            if gates == 4:
                yield f"LSTM ({gate}, {state}{words})", lambda x, o=order, g=g, s=s: lstm(x, weights, units, o, g, s)
            if gates == 3:
                for after in (True, False):
                    where = "reset after the product" if after else "reset before the product"
                    yield (
                        f"GRU ({where}, {gate}, {state}{words})",
                        lambda x, o=order, g=g, s=s, a=after: gru(x, weights, units, o, g, s, after=a),
                    )
            if gates == 1 and gate == "sigmoid":
                yield f"plain cell ({state})", lambda x, s=s: plain(x, weights, units, s)


def parts(product: np.ndarray, units: int, order: tuple[int, ...]) -> list[np.ndarray]:
    """Return the gates in order."""
    return [product[:, i * units : (i + 1) * units] for i in order]


def lstm(
    x: np.ndarray, w: dict[str, np.ndarray], units: int, order: tuple[int, ...], gate: Any, state: Any
) -> np.ndarray:
    """Return the outputs of an LSTM: gates i, f, g, o."""
    h = c = np.zeros((len(x), units))
    bias = w.get("bias_ih", 0.0) + w.get("bias_hh", 0.0)
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = parts(x[:, t] @ w["weight_ih"].T + h @ w["weight_hh"].T + bias, units, order)
        c = gate(f) * c + gate(i) * state(g)
        h = gate(o) * state(c)
        outputs.append(h)
    return np.stack(outputs, 1)


def gru(
    x: np.ndarray,
    w: dict[str, np.ndarray],
    units: int,
    order: tuple[int, ...],
    gate: Any,
    state: Any,
    *,
    after: bool,
) -> np.ndarray:
    """Return the outputs of a GRU: gates r, z, n."""
    h = np.zeros((len(x), units))
    outputs = []
    own = w["weight_hh"][order[2] * units : (order[2] + 1) * units]
    second = w.get("bias_hh", np.zeros(3 * units))
    for t in range(x.shape[1]):
        r, z, n = parts(x[:, t] @ w["weight_ih"].T + w.get("bias_ih", 0.0), units, order)
        hr, hz, hn = parts(h @ w["weight_hh"].T + second, units, order)
        r, z = gate(r + hr), gate(z + hz)
        n = state(n + (r * hn if after else (r * h) @ own.T + second[order[2] * units : (order[2] + 1) * units]))
        h = (1 - z) * n + z * h
        outputs.append(h)
    return np.stack(outputs, 1)


def plain(x: np.ndarray, w: dict[str, np.ndarray], units: int, state: Any) -> np.ndarray:
    """Return the outputs of a cell without gates."""
    h, outputs = np.zeros((len(x), units)), []
    for t in range(x.shape[1]):
        h = state(x[:, t] @ w["weight_ih"].T + h @ w["weight_hh"].T + w.get("bias_ih", 0.0) + w.get("bias_hh", 0.0))
        outputs.append(h)
    return np.stack(outputs, 1)
