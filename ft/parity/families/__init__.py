"""What an operation may be, as families of functions with their numbers: read off its own input and output.

A family's `fit` returns the member that gives the output from the inputs to rounding, in words, None where none does.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ft.parity.families import (
    activation,
    attention,
    combination,
    division,
    norm,
    order,
    product,
    recurrent,
    reduction,
    resize,
    rotation,
    window,
)

Fit = Callable[..., str | None]
FAMILIES: dict[str, Fit] = {  # what is more special comes first
    "element order": order.fit,
    "activation": activation.fit,
    "normalisation": norm.fit,
    "convolution": window.fit_convolution,
    "transposed convolution": window.fit_transposed,
    "pooling": window.fit_pooling,
    "padding": window.fit_padding,
    "softmax": reduction.fit_softmax,
    "reduction": reduction.fit,
    "resize": resize.fit,
    "recurrent cell": recurrent.fit,
    "rotation": rotation.fit,
    "division": division.fit,
    "product": product.fit,
    "attention": attention.fit,
    "combination": combination.fit,
}


@dataclass(frozen=True)
class Case:
    """An operation as families see it: what it takes, its parameters by their names in the layer, what it gives.

    words: names and arguments of the operations that do it; close: the relative difference that counts as none; exact:
    whether numbers are told with all their digits.
    """

    inputs: tuple[np.ndarray, ...]
    parameters: dict[str, np.ndarray]
    output: np.ndarray
    words: str = ""
    close: float = 1e-9
    exact: bool = False


def members(a: Case, b: Case, names: Iterable[str] = FAMILIES) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield for every family that knows one of two operations what it takes them for. names: of those to be asked."""
    for name in names:
        fit = FAMILIES[name]
        readings = fit(a), fit(b)
        if readings[0] is not None and readings[0] == readings[1]:  # what differs is in the later digits, if anywhere
            readings = fit(replace(a, exact=True)), fit(replace(b, exact=True))
        if any(readings):
            yield name, *readings
