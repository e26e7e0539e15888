"""Two recorded passes side by side: what is in both, and between which tensors it is not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ft.backend.operations import Graph, Operation
from ft.parity.foreign.values import Table, mean_apart, same_order

ARITHMETIC = ("mul", "add", "sub", "div")


@dataclass
class Side:
    """A graph and what can be asked about it: which tensors depend on the input, which parameters are in which."""

    graph: Graph
    makers: dict[int, int] = field(init=False)
    moving: set[int] = field(init=False)
    holding: dict[int, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        leaves = self.graph.leaves
        self.makers = self.graph.makers()
        self.moving = {number for number, leaf in leaves.items() if leaf.startswith("input ")}
        self.holding = {
            number: frozenset({leaf.removeprefix("parameter ")})
            for number, leaf in leaves.items()
            if leaf.startswith("parameter ")
        }
        for operation in self.graph.operations:
            if self.moving.intersection(operation.inputs):
                self.moving |= set(operation.outputs)
            else:
                names = frozenset().union(*(self.holding.get(i, frozenset()) for i in operation.inputs))
                self.holding |= dict.fromkeys(operation.outputs, names)

    def parameters(self, operation: Operation) -> frozenset[str]:
        """Return the parameters that an operation meets the input with."""
        if not self.moving.intersection(operation.inputs):
            return frozenset()
        return frozenset().union(*(self.holding.get(i, frozenset()) for i in operation.inputs))

    def leading(self, tensors: set[int]) -> set[int]:
        """Return the operations on the inputs that lead to some tensors."""
        numbers, wanted = set(), set(tensors)
        for number in reversed(range(len(self.graph.operations))):
            operation = self.graph.operations[number]
            if self.moving.intersection(operation.inputs) and wanted.intersection(operation.outputs):
                numbers.add(number)
                wanted |= set(operation.inputs)
        return numbers

    @cached_property
    def meeting(self) -> list[tuple[int, frozenset[str]]]:
        """The operations in which parameters meet the input, and these."""
        parameters = ((i, self.parameters(operation)) for i, operation in enumerate(self.graph.operations))
        return [(i, names) for i, names in parameters if names]


@dataclass
class State:
    """One pass of PyTorch's side next to Keras's: which tensors are in both.

    anchored: operations that were forced before all that they take was compared, with what that is.
    """

    torch: Side
    tf: Side
    table: Table
    forced: Collection[int]
    partners: Mapping[int, int]
    anchored: Mapping[int, Sequence[int]] = field(default_factory=dict)

    @cached_property
    def same(self) -> dict[int, list[int]]:
        """The tensors of Keras's side that have the values of one of PyTorch's."""
        arrays = self.torch.graph.arrays
        partners = {number: self.table.find(arrays[number]) for number in sorted(self.torch.moving)}
        return {number: numbers for number, numbers in partners.items() if numbers}

    @cached_property
    def known(self) -> set[int]:
        """The tensors of Keras's side that PyTorch's has as well."""
        return {number for numbers in self.same.values() for number in numbers}

    @cached_property
    def parted(self) -> list[int]:
        """The operations of PyTorch's side whose outputs are nowhere on the other, and lead to a result that is not."""
        graph = self.torch.graph
        blind = (n for n in self.forced if n in self.anchored)
        given = (i for n in blind for i in self.anchored[n] if i in self.torch.moving)
        roots = [*(i for i in graph.results.values() if i in self.torch.moving), *given]
        last = {self.torch.makers[i] for i in self.other_results if i in self.torch.makers}
        return sorted(self.above(self.torch, roots, set(self.same)) | last)

    @cached_property
    def other_results(self) -> dict[int, int]:
        """The results of PyTorch's side that are not those of the other, though an array there may be equal."""
        results = zip(self.torch.graph.results.values(), self.tf.graph.results.values(), strict=False)
        arrays = self.torch.graph.arrays, self.tf.graph.arrays
        return {i: j for i, j in results if not same_order(arrays[1][j], arrays[0][i], self.table.close)}

    @cached_property
    def unknown(self) -> list[int]:
        """The same of Keras's side."""
        graph = self.tf.graph
        behind = [i for v in self.partners.values() for i in graph.operations[self.tf.makers[v]].inputs]
        return sorted(self.above(self.tf, [*graph.results.values(), *behind], self.known))

    def above(self, side: Side, roots: list[int], fine: set[int]) -> set[int]:
        """Return the operations that lead to some tensors through none that is fine."""
        reached: set[int] = set()
        arrays = side.graph.arrays
        waiting = [number for number in roots if number not in fine and arrays[number].dtype.kind == "f"]
        while waiting:
            maker = side.makers.get(waiting.pop())
            if maker is not None and maker not in reached:
                reached.add(maker)
                inputs = side.graph.operations[maker].inputs
                open_inputs = (number for number in inputs if number not in fine and number in side.moving)
                waiting += [number for number in open_inputs if arrays[number].dtype.kind == "f"]
        return reached

    def region(self, side: Side, tensor: int, fine: set[int]) -> tuple[list[int], list[int]]:
        """Return the operations between tensors that are fine and this one, and those tensors, in their order."""
        own = side.makers.get(tensor)
        if own is None:
            return [], [tensor]
        inside = {own}
        waiting, edge = list(side.graph.operations[own].inputs), []
        while waiting:
            number = waiting.pop(0)
            maker = side.makers.get(number)
            if number not in side.moving:
                continue
            if number in fine or maker is None:
                edge.append(number)
            elif maker not in inside:
                inside.add(maker)
                waiting += side.graph.operations[maker].inputs
        return sorted(inside), list(dict.fromkeys(edge))


def graph_inputs(state: State, number: int) -> list[int]:
    """Return what an operation of PyTorch's takes that depends on the input."""
    return [i for i in state.torch.graph.operations[number].inputs if i in state.torch.moving]


def does_nothing(state: State, number: int, tensor: int) -> bool:
    """Tell an operation that hands on what it takes, as a factor of 1 does, where its partner's does not."""
    operation, arrays = state.torch.graph.operations[number], state.torch.graph.arrays
    given, maker = graph_inputs(state, number), state.tf.makers.get(tensor)
    names = operation.name, "" if maker is None else state.tf.graph.operations[maker].name
    of_a_kind = any(all(word in name.lower() for name in names) for word in ARITHMETIC)
    return of_a_kind and len(given) == 1 and np.array_equal(arrays[given[0]], arrays[operation.outputs[0]])


def results_apart(a: Graph, b: Graph) -> float:
    """Return how far apart the results of two passes of one model are."""
    both = zip(a.results.values(), b.results.values(), strict=True)
    return max((mean_apart(a.arrays[i], b.arrays[j]) for i, j in both), default=0.0)
