"""GELU: x * Phi(x) by the error function, or its approximation by tanh."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Side, distance

SLICE = 100_000  # values of a layer are enough, and math.erf takes them one by one


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See by which formula each side has what its GELU gives."""
    for kind in ("gelu", "activation"):
        for layer in evidence.layers(kind):
            formulas = [formula(evidence, side) for side in layer.sides]
            if None not in formulas and formulas[0] != formulas[1]:
                detail = f"{evidence.a.label}: {formulas[0]}; {evidence.b.label}: {formulas[1]}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def formula(evidence: Evidence, side: Side) -> str | None:
    """Return the formula that comes nearest to a side's output, if that is near enough."""
    if not side.inputs or side.inputs[0].shape != side.output.shape:
        return None
    x, y = (array.ravel()[:SLICE].astype(np.float64) for array in (side.inputs[0], side.output))
    # in float32 a constant that was rounded to float32 makes no difference
    formulas = FORMULAS if evidence.a.dtype == "float32" else {**FORMULAS, **ROUNDED}
    errors = {name: distance(gelu(x), y) for name, gelu in formulas.items()}
    nearest = min(errors, key=errors.__getitem__)
    return nearest if errors[nearest] <= evidence.close else None


def by_erf(x: np.ndarray, *, root: float = math.sqrt(0.5)) -> np.ndarray:
    """Return x * Phi(x); root: the square root of a half."""
    return 0.5 * x * (1 + np.array([math.erf(value) for value in x * root]))


def by_tanh(x: np.ndarray, *, cubic: float = 0.044715) -> np.ndarray:
    """Return Hendrycks and Gimpel's approximation, off by up to 4.7e-4."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3)))


def by_sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the rougher approximation of CLIP and others, "quick GELU", off by up to 0.02."""
    return x / (1 + np.exp(-1.702 * x))


FORMULAS = {"the exact GELU by erf": by_erf, "the approximation by tanh": by_tanh, "that by a sigmoid": by_sigmoid}
ROUNDED = {
    "the exact GELU, sqrt(1/2) rounded to float32": partial(by_erf, root=float(np.float32(math.sqrt(0.5)))),
    "the approximation by tanh, 0.044715 rounded to float32": partial(by_tanh, cubic=float(np.float32(0.044715))),
}

ENTRY = Entry(
    name="gelu-tanh",
    title="GELU: exact, or approximated by tanh",
    torch='nn.GELU() and F.gelu are exact, by erf; approximate="tanh" on request',
    tf="keras.activations.gelu and tf.nn.gelu are exact, keras.ops.gelu approximates by tanh; in float64 all three are "
    "off by up to 5e-9, for their constants go through float32",
    why="tanh was quicker than erf on the first accelerators, and GPT-2 and its descendants were trained with it",
    shows="each GELU is off by at most 4.7e-4, and every layer behind it a little more",
    mend_torch='F.gelu(x, approximate="none"), or "tanh" where the weights were trained with it',
    mend_tf="keras.ops.gelu(x, approximate=False); to rounding in float64 0.5 * x * (1 + tf.math.erf(x * 0.5**0.5))",
    probe=probe,
)
