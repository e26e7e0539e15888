"""What the parameters of a model of the user's own are in terms that its twin shares: names, layers and shapes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import keras

from ft.backend.description import Parameter, kind_of
from ft.backend.forms import Form
from ft_tf.weights import LEAVES

LEAF = {**LEAVES, "embeddings": "weight"}
CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


@dataclass(frozen=True)
class Part:
    """What a variable holds of one parameter of PyTorch's: its name, the variable's, and how it becomes canonical."""

    name: str
    variable: str
    form: Form
    parameter: Parameter


def named_as_in_torch(parts: Iterable[Part]) -> dict[str, Part]:
    """Return parts under names such as `bn.running_mean`, their own where two would bear one."""
    by_name: dict[str, Part] = {}
    for part in parts:
        mark = part.name.removeprefix(part.variable)
        leaf = part.variable.rpartition("/")[2] if mark else part.parameter.leaf
        name = ".".join(filter(None, (part.parameter.layer, leaf))) + mark
        name = part.name if name in by_name else name
        by_name[name] = replace(part, name=name, parameter=replace(part.parameter, name=name))
    return by_name


def own_variables(
    model: keras.Model, layers: Mapping[tuple[str, ...], Any]
) -> Iterator[tuple[tuple[str, ...], keras.Variable]]:
    """Yield every weight once, by the names of its layers and its own."""
    seen: set[int] = set()
    for names, layer in (((), model), *layers.items()):
        inner = {id(w) for part in layer._flatten_layers(include_self=False, recursive=False) for w in part.weights}
        for variable in layer.weights:
            if id(variable) not in inner | seen:
                variable.layout = "same"  # an optimizer's slots stay as they are: `Shares` knows the rest
                yield (*names, variable.name), variable
                seen.add(id(variable))


def kind_in_torch(layer: Any) -> str:
    """Return the kind of the layer that does the same in PyTorch."""
    if isinstance(layer, keras.layers.EinsumDense):
        return "linear"
    return "recurrent" if isinstance(layer, CELLS) else kind_of(layer)


def forms_of(layer: Any, leaf: str, variable: keras.Variable) -> Iterator[tuple[str, str, Form]]:
    """Yield a mark for its name, PyTorch's name in the layer and the form of every parameter in a variable."""
    rank = len(variable.shape)
    if isinstance(layer, CELLS):
        yield from recurrent_forms(layer, leaf, rank)
    elif type(layer).__name__ == "ConvLSTMCell":  # two convolutions whose outputs are added up
        turned = (("axes", rank - 1, rank - 2, *range(rank - 2)),) if rank > 1 else ()
        yield "", f"{'hh' if leaf[0] == 'r' else 'ih'}.{LEAF.get(leaf.removeprefix('recurrent_'), leaf)}", turned
    elif isinstance(layer, keras.layers.EinsumDense):
        yield (
            "",
            LEAF.get(leaf, leaf),
            einsum_form(layer, tuple(variable.shape)) if leaf == "kernel" else (("shape", prod(variable.shape)),),
        )
    elif leaf == "depthwise_kernel" or (leaf == "kernel" and is_depthwise(layer)):
        *sides, inputs, outputs = variable.shape
        turned = ("axes", rank - 2, rank - 1, *range(rank - 2))
        yield "", "depthwise.weight" if leaf[0] == "d" else "weight", (turned, ("shape", inputs * outputs, 1, *sides))
    elif leaf in ("kernel", "pointwise_kernel") and kind_of(layer) == "conv":
        name = "pointwise.weight" if leaf[0] == "p" else "weight"
        yield "", name, (("axes", rank - 1, rank - 2, *range(rank - 2)),)
    elif leaf == "kernel" and kind_of(layer) == "linear":
        yield "", "weight", (("axes", 1, 0),)
    else:
        name = LEAF.get(leaf, leaf)
        yield "", f"pointwise.{name}" if hasattr(layer, "pointwise_kernel") else name, ()


def is_depthwise(layer: Any) -> bool:
    """Tell a depthwise convolution of any rank."""
    return any(kind.__name__ == "BaseDepthwiseConv" for kind in type(layer).__mro__)


def recurrent_forms(layer: Any, leaf: str, rank: int) -> Iterator[tuple[str, str, Form]]:
    """Yield the parameters in a variable of a recurrent cell: PyTorch's GRU has its gates in another order."""
    gates: Form = (("blocks", 1, 0, 2),) if isinstance(layer, keras.layers.GRUCell) else ()
    if leaf != "bias":
        yield "", "weight_hh" if leaf == "recurrent_kernel" else "weight_ih", (("axes", 1, 0), *gates)
    elif rank == 1:
        yield "", "bias_ih", gates
    else:
        yield from ((f"#{i}", f"bias_{word}", (("row", i), *gates)) for i, word in enumerate(("ih", "hh")))


def einsum_form(layer: Any, shape: tuple[int, ...]) -> Form:
    """Return how the kernel of an EinsumDense becomes (outputs, inputs)."""
    given, letters, result = re.split(",|->", layer.equation.replace(" ", "").replace("...", ""))
    inner = [i for i, letter in enumerate(letters) if letter in given and letter not in result]
    outer = [i for i in range(len(letters)) if i not in inner]
    return ("axes", *outer, *inner), ("shape", prod(shape[i] for i in outer), prod(shape[i] for i in inner))
