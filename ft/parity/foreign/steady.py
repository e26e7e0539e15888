"""Whether a model gives the same each time: the first operation of two passes that does not."""

import numpy as np

from ft.backend.operations import Graph, Operation


def unsteady(graph: Graph, again: Graph) -> str:
    """Return, in words, the first operation that gives something else in another pass of the same; "" for none."""
    passes = graph.operations, again.operations
    for one, two in zip(*passes, strict=False):
        pairs = zip(one.outputs, two.outputs, strict=False)
        if (one.name, one.path) != (two.name, two.path) or not all(
            alike(graph.arrays[i], again.arrays[j]) for i, j in pairs
        ):
            return first_words(one)
    rest = max(passes, key=len)[min(map(len, passes)) :]  # what only one of the two has
    return first_words(rest[0]) if rest else ""


def first_words(operation: Operation) -> str:
    """Return where an unsteady operation is."""
    return f", first in {operation.name}" + f" of {operation.path}" * bool(operation.path)


def alike(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether two arrays are the same to the last bit; NaN is NaN."""
    return np.array_equal(x, y, equal_nan=True)
