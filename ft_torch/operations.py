"""Record every function of PyTorch's that a model calls, and give any of them another output."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ft.backend.operations import Graph, LayerCall, Operation, as_given, as_real, plain_value
from ft_torch.trace import hooked
from ft_torch.weights import to_array

SIDES = ("self", "input")  # first arguments that are tensors
OWN = ("T", "mT", "H", "mH", "data")  # attributes that are a tensor's own numbers, in whatever order
SHAPES = (  # functions in whose output there is no value of the input
    *("zeros_like", "ones_like", "full_like", "empty_like"),
    *("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
)


class Operations(TorchFunctionMode):
    """Sees functions by a torch function mode, and which module called them by hooks.

    leaves: the name of each tensor that was there before; forced: other outputs, by number of operation.
    """

    def __init__(self, model: nn.Module, leaves: Mapping[str, Tensor], forced: Mapping[int, np.ndarray]) -> None:
        super().__init__()
        self.graph, self.forced = Graph(), forced
        self.paths = {module: path for path, module in model.named_modules()}
        self.stack: list[tuple[str, int]] = [("", 0)]
        self.numbers: dict[int, int] = {}  # id of a tensor -> its number
        self.moving: set[int] = set()  # what depends on the inputs
        self.kept: list[Tensor] = []  # an id says which tensor only while that tensor lives
        for name, tensor in leaves.items():
            number = self.know(tensor, self.graph.add(copied(tensor), name))
            self.moving |= {number} if name.startswith("input ") else set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        name = getattr(func.__self__, "__name__", name) if name == "__get__" else name
        tensors = [] if name in SHAPES else tensors_in([*args, *kwargs.values()])
        inputs = [self.number(x) for x in tensors]
        output = func(*args, **kwargs)
        changed = args[0] if name == "__setitem__" else output
        moving = bool(self.moving.intersection(inputs))
        given = [x for x in tensors_in([changed]) if moving or x.is_floating_point()]
        if not given or (is_attribute(func) and not moving and name not in OWN):
            return output
        number = len(self.graph.operations)
        forced = self.forced.get(number)
        if forced is not None:
            local = copied(given[0])
            output = replaced(output, given[0], torch.from_numpy(as_given(forced, local)))
            given = [x for x in tensors_in([output]) if moving or x.is_floating_point()]
        outputs = [self.know(x, self.graph.add(copied(x))) for x in given]
        self.moving |= set(outputs) if moving else set()
        if forced is not None:
            self.graph.local[outputs[0]] = as_real(local)
        self.graph.operations.append(Operation(name, self.stack[-1][0], inputs, outputs, arguments(func, args, kwargs)))
        return output

    def know(self, tensor: Tensor, number: int) -> int:
        """Note the number of a tensor."""
        self.numbers[id(tensor)] = number
        self.kept.append(tensor)
        return number

    def number(self, tensor: Tensor) -> int:
        """Return the number of a tensor; one that no operation gave is a constant."""
        if id(tensor) not in self.numbers:
            self.know(tensor, self.graph.add(copied(tensor), "constant"))
        return self.numbers[id(tensor)]

    def enter(self, module: nn.Module, arguments: Any) -> None:
        """Note that a module starts to run."""
        self.stack.append((self.paths[module], len(self.graph.operations)))

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        """Note what a module gave."""
        path, first = self.stack.pop()
        tensors = [x for x in tensors_in([output]) if id(x) in self.numbers]
        if tensors and len(self.graph.operations) > first:
            last, number = len(self.graph.operations) - 1, self.numbers[id(tensors[0])]
            self.graph.layers.append(LayerCall(path, type(module).__name__, first, last, number))


def record(
    model: nn.Module, run: Any, leaves: Mapping[str, Tensor], forced: Mapping[int, np.ndarray]
) -> tuple[Graph, dict[str, Tensor]]:
    """Return every operation of `run()`, which runs the model, and what it returned: tensors by name."""
    recorder = Operations(model, leaves, forced)
    with hooked(recorder), recorder:
        outputs = run()
    recorder.graph.results = {name: recorder.number(x) for name, x in outputs.items()}
    return recorder.graph, outputs


def is_attribute(func: Any) -> bool:
    """Tell an attribute that is read, such as `x.real` or `x.T`, from a function."""
    return getattr(func, "__name__", "") == "__get__"


def replaced(output: Any, given: Tensor, value: Tensor) -> Any:
    """Return an output with another value in place of the tensor that was given."""
    if isinstance(output, tuple):
        return tuple(replaced(part, given, value) if part is given else part for part in output)
    if output is None or not isinstance(output, Tensor):
        given.copy_(value)
        return output
    return value.to(torch.promote_types(value.dtype, given.dtype))  # a rounding is undone as well


def arguments(func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function was given beside tensors."""
    names = parameters_of(func)
    named = [(names[i] if i < len(names) else str(i), value) for i, value in enumerate(args)]
    given = [*named, *kwargs.items()]
    plain = {name: value for name, value in given if not any(True for _ in tensors_in([value]))}
    return {name: plain_value(value) for name, value in plain.items() if value is not None and name not in SIDES}


@cache
def parameters_of(func: Any) -> list[str]:
    """Return the names of a function's parameters, as far as it says them."""
    try:
        return list(inspect.signature(func).parameters)
    except (ValueError, TypeError):
        return []


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among values, those in a list or a dictionary included."""
    tensors: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, (list, tuple)):
            tensors += tensors_in(value)
        elif isinstance(value, dict):
            tensors += tensors_in(value.values())
    return tensors


def copied(tensor: Tensor) -> np.ndarray:
    """Return a copy of a tensor as an array."""
    with torch._C.DisableTorchFunctionSubclass():
        return to_array(tensor)
