"""What a wing saw while a model ran, operation by operation: every function, and what went in and out.

Tensors are numbers in the order in which they came to be; one that an operation changes in place is another afterwards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

LOCAL = "local "  # before the number of a tensor that was replaced, in a file


@dataclass
class Operation:
    """One function of the framework's: its name there, the layer that called it, its tensors, its other arguments."""

    name: str
    path: str
    inputs: list[int]
    outputs: list[int]
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Name and arguments as one would write them."""
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.arguments.items())})"


@dataclass
class LayerCall:
    """A layer that ran: its path, the kind of layer, the first and the last of its operations, what it gave.

    activated: whether it ends in an activation of its own, which is no layer.
    """

    path: str
    kind: str
    first: int
    last: int
    output: int
    activated: bool = False


@dataclass
class Graph:
    """One pass of a model. leaves: tensors that no operation gave, as "parameter NAME", "input NAME" or "constant".

    local: what operations gave whose output was replaced, by tensor; results: tensors that the model gives, by name.
    """

    operations: list[Operation] = field(default_factory=list)
    layers: list[LayerCall] = field(default_factory=list)
    leaves: dict[int, str] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    arrays: dict[int, np.ndarray] = field(default_factory=dict)
    local: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, array: np.ndarray, leaf: str = "") -> int:
        """Take a tensor and return its number."""
        number = len(self.arrays)
        self.arrays[number] = as_real(array)
        if leaf:
            self.leaves[number] = leaf
        return number

    def makers(self) -> dict[int, int]:
        """Return the operation that gave each tensor."""
        return {tensor: i for i, operation in enumerate(self.operations) for tensor in operation.outputs}

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Name and layer of every operation."""
        return [(operation.name, operation.path) for operation in self.operations]

    def part(self, number: int) -> str:
        """Return which operation of its layer this is, "gelu", or "gelu.2" for the second; "" where it is alone."""
        operation = self.operations[number]
        beside = [i for i, other in enumerate(self.operations) if other.path == operation.path]
        before = sum(self.operations[i].name == operation.name for i in beside if i < number)
        return "" if len(beside) == 1 else operation.name + (f".{before + 1}" if before else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values of JSON, all but the arrays."""
        return {
            "operations": [asdict(operation) for operation in self.operations],
            "layers": [asdict(layer) for layer in self.layers],
            "leaves": {str(number): leaf for number, leaf in self.leaves.items()},
            "results": self.results,
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays as a file has them, which knows no truth values."""
        return dict(named(self.arrays, "")) | dict(named(self.local, LOCAL))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> "Graph":
        """Build it from what `to_dict` and `tensors` gave."""
        local = {int(name.removeprefix(LOCAL)): x for name, x in tensors.items() if name.startswith(LOCAL)}
        return cls(
            [Operation(**operation) for operation in values["operations"]],
            [LayerCall(**layer) for layer in values["layers"]],
            {int(number): leaf for number, leaf in values["leaves"].items()},
            dict(values["results"]),
            {int(name): x for name, x in tensors.items() if not name.startswith(LOCAL)},
            local,
        )


def as_real(x: np.ndarray) -> np.ndarray:
    """Return complex numbers as pairs of real ones along a last axis, all others as they are."""
    return np.stack([np.real(x), np.imag(x)], -1) if np.iscomplexobj(x) else x


def as_given(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return what stands for an array in its own type: pairs as complex numbers again."""
    return (x[..., 0] + 1j * x[..., 1]).astype(like.dtype) if np.iscomplexobj(like) else x


def named(arrays: Mapping[int, np.ndarray], prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield arrays by name; truth values become whole numbers."""
    for number, x in arrays.items():
        yield f"{prefix}{number}", x.astype(np.uint8) if x.dtype == bool else x


def plain_value(value: Any) -> Any:
    """Return an argument as JSON has it: numbers, words and lists as they are, all else by name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return getattr(value, "name", None) or str(value).rpartition(".")[2]
