"""How the weights of a user's own layers lie: what they are multiplied with, and what that gives, tells it.

PyTorch's linear layer keeps (outputs, inputs), Keras's (inputs, outputs); a layer of the user's own keeps either, or
its heads as axes of their own. Read off a pass they are linear layers like any other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ft.backend.description import OTHER, Parameter
from ft.backend.forms import Form, shape_after, squeezed
from ft.backend.operations import Graph, Operation
from ft.parity.foreign.states import Side

NEAR = 1e-3  # of the outputs: a weight that lies otherwise is as far off as they are large
BEHIND = 2  # operations after a product in which its bias may be added


@dataclass(frozen=True)
class Product:
    """A weight that the input is multiplied with: the form in which it is (outputs, inputs), and its bias, if any."""

    form: Form
    outputs: int
    bias: str = ""


def may_be_products(parameters: Iterable[Parameter]) -> bool:
    """Tell whether a pass may show how any weight of the user's own lies."""
    return any(is_open(p) for p in parameters)


def is_open(parameter: Parameter) -> bool:
    """Tell a weight of a layer that is none of the frameworks', and may be a product's."""
    return parameter.kind == OTHER and parameter.trained and len(squeezed(parameter.shape)) > 1


def as_linear(parameters: Mapping[str, Parameter], graph: Graph) -> dict[str, tuple[Parameter, Form]]:
    """Return weights of the user's own that are linear layers, and their biases, as such, each with its form.

    parameters: by the names in the recorded pass, with the shapes that they have there.
    """
    found = dict(products(graph, {name for name, p in parameters.items() if is_open(p)}))
    beside = Counter(parameters[name].layer for name in found)
    told: dict[str, tuple[Parameter, Form]] = {}
    for name, product in found.items():
        p = parameters[name]
        layer = p.layer if beside[p.layer] == 1 else ".".join(filter(None, (p.layer, p.leaf)))
        shape = shape_after(p.shape, product.form)
        told[name] = replace(p, layer=layer, leaf="weight", kind="linear", shape=shape, own=True), product.form
        bias = parameters.get(product.bias)
        if bias is not None and bias.kind == OTHER and bias.layer == p.layer and product.bias not in told:
            flat: Form = (("shape", product.outputs),) if len(bias.shape) > 1 else ()
            shape = (product.outputs,)
            told[product.bias] = replace(bias, layer=layer, leaf="bias", kind="linear", shape=shape, own=True), flat
    return told


def products(graph: Graph, names: set[str]) -> Iterator[tuple[str, Product]]:
    """Yield the parameters of these names that the input is multiplied with, once each."""
    side, seen = Side(graph), set()
    numbers = {leaf.removeprefix("parameter "): number for number, leaf in graph.leaves.items()}
    for number, held in side.meeting:
        operation = graph.operations[number]
        given = [i for i in operation.inputs if i in side.moving and graph.arrays[i].dtype.kind == "f"]
        for name in sorted(held & names - seen) if len(given) == 1 else ():
            x, weight, y = (graph.arrays[i] for i in (given[0], numbers[name], operation.outputs[0]))
            if form_and_outputs := lies(x, weight, y):
                seen.add(name)
                form, outputs = form_and_outputs
                yield name, Product(form, outputs, bias_of(side, operation, name, outputs))


def lies(x: np.ndarray, weight: np.ndarray, y: np.ndarray) -> tuple[Form, int] | None:
    """Return the form in which a weight is (outputs, inputs), and how many outputs; None where it is no product's."""
    rank = weight.ndim
    for cut in range(1, rank):
        first, last = weight.shape[:cut], weight.shape[cut:]
        matrix = weight.reshape(prod(first), prod(last))
        turned: Form = (("axes", *range(cut, rank), *range(cut)),)
        flat: Form = (("shape", prod(last), prod(first)),) if rank > 2 else ()
        if gives(x, first, matrix, y, last):
            return (*turned, *flat), prod(last)
        if gives(x, last, matrix.T, y, first):
            return (("shape", prod(first), prod(last)),) if rank > 2 else (), prod(first)
    return None


def gives(x: np.ndarray, taken: tuple[int, ...], matrix: np.ndarray, y: np.ndarray, given: tuple[int, ...]) -> bool:
    """Tell whether the last axes of x times a matrix give the last axes of y, but for a number for each output."""
    if not ends(x, taken) or not ends(y, given):
        return False
    made, plain = x.reshape(-1, prod(taken)) @ matrix, y.reshape(-1, prod(given))
    if made.shape != plain.shape or not np.isfinite(made).all() or not np.isfinite(plain).all():
        return False
    return bool(np.ptp(plain - made, axis=0).max(initial=0.0) <= NEAR * np.abs(plain).max(initial=0.0))


def ends(x: np.ndarray, axes: tuple[int, ...]) -> bool:
    """Tell whether the last axes of an array are these, or one for all of them."""
    return x.shape[x.ndim - len(axes) :] == axes or x.shape[-1:] == (prod(axes),)


def bias_of(side: Side, product: Operation, name: str, outputs: int) -> str:
    """Return the parameter that is added in a product, or soon after it, a number for each output; "" for none."""
    sizes = {leaf.removeprefix("parameter "): side.graph.arrays[i].size for i, leaf in side.graph.leaves.items()}
    waiting = [product]
    for _ in range(BEHIND + 1):
        held = frozenset().union(*(side.parameters(operation) for operation in waiting)) - {name}
        if held:
            return next((other for other in sorted(held) if sizes[other] == outputs and len(held) == 1), "")
        made = {tensor for operation in waiting for tensor in operation.outputs}
        waiting = [operation for operation in side.graph.operations if made.intersection(operation.inputs)]
    return ""
