"""How a weight as a framework keeps it becomes the canonical one, PyTorch's, in steps that can be undone.

("row", i)       the i-th along the first axis, as Keras's GRU keeps two biases in one
("rows", a, b)   those from a up to b along the first axis, as a packed projection keeps three weights in one
("axes", ...)    the axes in another order
("shape", ...)   another shape of the same elements
("blocks", ...)  equal blocks along the first axis in another order, as gates have it
"""

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

Step = tuple[Any, ...]
Form = tuple[Step, ...]


def applied(array: np.ndarray, form: Sequence[Step]) -> np.ndarray:
    """Return an array after all steps of a form."""
    for step in form:
        array = one(array, step)
    return array


def one(array: np.ndarray, step: Step) -> np.ndarray:
    """Return an array after one step."""
    word, *values = step
    if word == "row":
        return array[values[0]]
    if word == "rows":
        return array[values[0] : values[1]]
    if word == "axes":
        return array.transpose(values)
    if word == "shape":
        return array.reshape(values)
    return np.concatenate([np.split(array, len(values))[i] for i in values])


def restored(array: np.ndarray, form: Sequence[Step], value: np.ndarray) -> np.ndarray:
    """Return a copy of an array in which the part that a form takes is `value`: what `applied` gives of it then."""
    if not form:
        return np.asarray(value).reshape(array.shape)
    (word, *values), rest = form[0], form[1:]
    new = restored(one(array, form[0]), rest, value)
    if word in ("row", "rows"):
        whole = array.copy()
        whole[values[0] if word == "row" else slice(*values)] = new
        return whole
    if word == "axes":
        return new.transpose(np.argsort(values))
    if word == "shape":
        return new.reshape(array.shape)
    return np.concatenate([np.split(new, len(values))[i] for i in np.argsort(values)])


def shape_after(shape: Sequence[int], form: Sequence[Step]) -> tuple[int, ...]:
    """Return the shape that an array of some shape has after all steps."""
    return applied(np.broadcast_to(np.zeros(()), tuple(shape)), form).shape


def whole_of(name: str) -> tuple[str, Form]:
    """Return the parameter that a name is of, and the form of its piece: `qkv.weight[8:16]` is eight rows of it."""
    match = re.fullmatch(r"(.*)\[(\d+):(\d+)\]", name)
    return (match[1], (("rows", int(match[2]), int(match[3])),)) if match else (name, ())


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its axes of size 1: two weights that agree in this may stand for each other."""
    return tuple(side for side in shape if side != 1)


def fits(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Tell whether arrays of two shapes have as many elements."""
    return prod(shape) == prod(other)
