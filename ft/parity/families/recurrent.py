"""Recurrent cells: LSTM, GRU and the plain one, by gates, the place of the reset, activations, and what a mask does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

State = tuple[np.ndarray, ...]  # the output comes first
Step = Callable[[np.ndarray, State], State]


@dataclass(frozen=True)
class Way:
    """How a cell goes over a sequence. keep: the steps that count, None for all; zeros: what it gives at others."""

    words: str
    backwards: bool = False
    keep: np.ndarray | None = None
    zeros: bool = False


def fit(case: Any) -> str | None:
    """Return the cell that gives the outputs (N, T, units) from a sequence (N, T, C), that of the first direction."""
    weights = by_kind(case.parameters)
    given = taken(case.inputs)
    if given is None or not {"weight_ih", "weight_hh"} <= weights.keys():
        return None
    x, keep = given
    rows, units = weights["weight_hh"].shape
    y = case.output[..., :units]
    if y.shape != (*x.shape[:2], units):
        return None
    told = (
        (words + way.words, lambda step=step, way=way: unrolled(step, x, units, way))
        for way in ways(keep)
        for words, step in cells(weights, rows // units, units)
    )
    return first(told, y, case.close)


def taken(inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Return the sequence among the inputs, and which of its steps count where a mask or lengths are beside it."""
    sequences = [x for x in inputs if x.ndim == 3 and x.dtype.kind == "f"]
    others = [x for x in inputs if not any(x is sequence for sequence in sequences)]
    if len(sequences) != 1 or len(others) > 1:
        return None
    (x,) = sequences
    if not others:
        return x, None
    (mask,) = others
    if mask.shape == x.shape[:1] and mask.dtype.kind in "iu":
        return x, np.arange(x.shape[1]) < mask[:, None]
    fits = mask.size == x.shape[0] * x.shape[1] and np.isin(mask, (0, 1)).all()
    return (x, mask.reshape(x.shape[:2]) != 0) if fits else None


def ways(keep: np.ndarray | None) -> Iterator[Way]:
    """Yield how a cell may go over a sequence."""
    yield Way("")
    yield Way(", backwards", backwards=True)
    if keep is not None:
        yield Way(", masked steps skipped, zeros there", keep=keep, zeros=True)
        yield Way(", masked steps skipped, the state before them there", keep=keep)


def unrolled(step: Step, x: np.ndarray, units: int, way: Way) -> np.ndarray:
    """Return what a cell gives of a sequence."""
    state: State = (np.zeros((len(x), units)),) * 2
    outputs = []
    for t in range(x.shape[1])[:: -1 if way.backwards else 1]:
        new = step(x[:, t], state)
        kept = np.ones((len(x), 1), bool) if way.keep is None else way.keep[:, t, None]
        state = tuple(np.where(kept, a, b) for a, b in zip(new, state, strict=False))
        outputs.append(np.where(kept, state[0], 0.0) if way.zeros else state[0])
    return np.stack(outputs, 1)


def by_kind(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of the first layer and direction."""
    weights: dict[str, np.ndarray] = {}
    for leaf, array in parameters.items():
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            if leaf.startswith(kind) and "reverse" not in leaf and not leaf.endswith(("l1", "l2", "l3")):
                weights.setdefault(kind, array)
    return weights


def cells(weights: dict[str, np.ndarray], gates: int, units: int) -> Iterator[tuple[str, Step]]:
    """Yield cells in words and as functions of one step."""
    orders = sorted(permutations(range(gates)), key=lambda order: sum(i != g for i, g in enumerate(order)))
    for order in orders:
        words = "" if order == tuple(range(gates)) else f", gates in the order {', '.join(map(str, order))}"
        for (gate, g), (state, s) in [(g, s) for g in GATES.items() for s in STATES.items()]:
            if words and (gate, state) != ("sigmoid", "tanh"):
                continue
            if gates == 4:
                yield f"LSTM ({gate}, {state}{words})", lstm(weights, units, order, g, s)
            if gates == 3:
                for after in (True, False):
                    where = "reset after the product" if after else "reset before the product"
                    yield f"GRU ({where}, {gate}, {state}{words})", gru(weights, units, order, g, s, after=after)
            if gates == 1 and gate == "sigmoid":
                yield f"plain cell ({state})", plain(weights, s)


def parts(product: np.ndarray, units: int, order: tuple[int, ...]) -> list[np.ndarray]:
    """Return the gates in order."""
    return [product[:, i * units : (i + 1) * units] for i in order]


def lstm(w: dict[str, np.ndarray], units: int, order: tuple[int, ...], gate: Any, activation: Any) -> Step:
    """Return a step of an LSTM: gates i, f, g, o."""
    bias = w.get("bias_ih", 0.0) + w.get("bias_hh", 0.0)

    def step(x: np.ndarray, state: State) -> State:
        h, c = state
        i, f, g, o = parts(x @ w["weight_ih"].T + h @ w["weight_hh"].T + bias, units, order)
        c = gate(f) * c + gate(i) * activation(g)
        return gate(o) * activation(c), c

    return step


def gru(
    w: dict[str, np.ndarray], units: int, order: tuple[int, ...], gate: Any, activation: Any, *, after: bool
) -> Step:
    """Return a step of a GRU: gates r, z, n. after: whether the reset comes after the product."""
    rows = slice(order[2] * units, (order[2] + 1) * units)
    second = w.get("bias_hh", np.zeros(3 * units))

    def step(x: np.ndarray, state: State) -> State:
        h = state[0]
        r, z, n = parts(x @ w["weight_ih"].T + w.get("bias_ih", 0.0), units, order)
        hr, hz, hn = parts(h @ w["weight_hh"].T + second, units, order)
        r, z = gate(r + hr), gate(z + hz)
        n = activation(n + (r * hn if after else (r * h) @ w["weight_hh"][rows].T + second[rows]))
        return ((1 - z) * n + z * h,)

    return step


def plain(w: dict[str, np.ndarray], activation: Any) -> Step:
    """Return a step of a cell without gates."""
    bias = w.get("bias_ih", 0.0) + w.get("bias_hh", 0.0)
    return lambda x, state: (activation(x @ w["weight_ih"].T + state[0] @ w["weight_hh"].T + bias),)
