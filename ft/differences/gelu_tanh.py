"""GELU: x * Phi(x) by the error function, or its approximation by tanh."""

import math
from collections.abc import Iterator

import numpy as np

from ft.evidence import Entry, Evidence, Finding, Side, distance

SLICE = 100_000  # values of a layer are enough, and math.erf takes them one by one


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See by which formula each side has what its GELU gives."""
    for kind in ("gelu", "activation"):
        for layer in evidence.layers(kind):
            found = [formula(evidence, side) for side in layer.sides]
            if None not in found and found[0] != found[1]:
                detail = f"{evidence.a.backend}: {found[0]}; {evidence.b.backend}: {found[1]}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def formula(evidence: Evidence, side: Side) -> str | None:
    """Return the formula that gives a side's output."""
    if side.inputs[0].shape != side.output.shape:
        return None
    x, y = (array.ravel()[:SLICE].astype(np.float64) for array in (side.inputs[0], side.output))
    return next((name for name, gelu in FORMULAS.items() if evidence.same(gelu(x), y)), None)


def by_erf(x: np.ndarray) -> np.ndarray:
    """Return x * Phi(x)."""
    return 0.5 * x * (1 + np.array([math.erf(value) for value in x / math.sqrt(2)]))


def by_tanh(x: np.ndarray) -> np.ndarray:
    """Return Hendrycks and Gimpel's approximation, off by up to 4.7e-4."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def by_sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the rougher approximation of CLIP and others, "quick GELU"."""
    return x / (1 + np.exp(-1.702 * x))


FORMULAS = {"the exact GELU by erf": by_erf, "the approximation by tanh": by_tanh, "that by a sigmoid": by_sigmoid}

ENTRY = Entry(
    name="gelu-tanh",
    title="GELU: exact, or approximated by tanh",
    torch='nn.GELU() is exact, by erf; nn.GELU(approximate="tanh") on request',
    tf="keras.activations.gelu(x) is exact, by erf; approximate=True on request; jax.nn.gelu and older code default to "
    "tanh",
    why="tanh was quicker than erf on the first accelerators, and BERT and GPT-2 were trained with it",
    shows="each GELU is off by at most 4.7e-4; twelve layers on, features differ in the third digit",
    mend_torch='nn.GELU(approximate="none"), or "tanh" where the weights were trained with it',
    mend_tf="keras.activations.gelu(x, approximate=False), or True where the weights were trained with it",
    probe=probe,
)
