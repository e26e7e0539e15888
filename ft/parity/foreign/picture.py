"""Which operation of one model stands for which of the other, and how far they are apart: what a page draws."""

from dataclasses import dataclass

from ft.parity.foreign.forcing import Search
from ft.parity.foreign.states import Side
from ft.parity.foreign.values import apart


@dataclass(frozen=True)
class Join:
    """An operation of PyTorch's by its place in the list, one of Keras's, and their relative difference, 0 for none."""

    torch: int
    tf: int
    error: float


@dataclass(frozen=True)
class Picture:
    """The operations of both models that depend on the input, in words, and what joins them.

    whole: whether nothing differs any more once all that differs is replaced, so that nothing is behind it.
    """

    torch: tuple[str, ...]
    tf: tuple[str, ...]
    joins: tuple[Join, ...]
    whole: bool = True

    @property
    def alone(self) -> tuple[int, int]:
        """How many operations of each side have no partner."""
        left, right = {join.torch for join in self.joins}, {join.tf for join in self.joins}
        return len(self.torch) - len(left), len(self.tf) - len(right)


def picture(search: Search) -> Picture:
    """Return what a search has joined: operations whose outputs hold the same values, and those that it forced."""
    state = search.last
    lists = [moving(state.torch), moving(state.tf)]
    places = [{number: i for i, number in enumerate(numbers)} for numbers in lists]
    joins = []
    for number in lists[0]:
        output = state.torch.graph.operations[number].outputs[0]
        forced = search.partners.get(number)
        partners = [forced] if forced is not None else state.same.get(output, [])
        makers = [search.tf.makers[tensor] for tensor in partners if tensor in search.tf.makers]
        if makers and makers[0] in places[1]:
            graph = state.torch.graph
            error = apart(graph.local[output], graph.arrays[output]) if output in graph.local else 0.0
            joins.append(Join(places[0][number], places[1][makers[0]], error if error > search.close else 0.0))
    return Picture(labels(state.torch, lists[0]), labels(state.tf, lists[1]), tuple(joins), not state.parted)


def moving(side: Side) -> list[int]:
    """Return the operations that depend on the input."""
    return [i for i, op in enumerate(side.graph.operations) if side.moving.intersection(op.inputs)]


def labels(side: Side, numbers: list[int]) -> tuple[str, ...]:
    """Return operations and where they are, in words."""
    operations = (side.graph.operations[number] for number in numbers)
    return tuple(f"{operation.path} {operation.name}".strip() for operation in operations)
