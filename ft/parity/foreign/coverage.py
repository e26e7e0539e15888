"""What share of two models was compared at all: where it is small, equal results prove little."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ft.parity.families.same import bounded
from ft.parity.foreign.difference import Difference
from ft.parity.foreign.forcing import Search
from ft.parity.foreign.states import Side
from ft.parity.verdict import COVERAGE, Row

LEAST = 0.9  # of a side's operations and of its parameters: with less, two models are not called equal


@dataclass(frozen=True)
class Share:
    """How many there are of something, such as the operations of torch, and how many of these were compared."""

    side: str
    what: str
    compared: int
    count: int

    @property
    def low(self) -> bool:
        """Whether it is too little to speak of the whole."""
        return self.compared < LEAST * self.count

    @property
    def row(self) -> Row:
        """What says so in a verdict."""
        fault = f"{self.compared} of {self.count} {self.what} of {self.side} were compared by their values"
        return Row.unmeasured(None, COVERAGE, f"{self.side}.{self.what}", fault)


def shares_compared(search: Search, unnamed: Iterable[Difference]) -> tuple[Share, ...]:
    """Return the shares of both models' operations, and of the parameters that both have.

    An operation is compared where its output is on the other side, too, or leads to one that is. What is the same for
    all samples says nothing: a network of dead units agrees with any other. Neither does the inside of a difference
    that is unnamed.
    """
    state, tf = search.last, search.tf.graph
    inside = {id(operation) for difference in unnamed for operation in difference.other}
    lost = state.above(state.tf, list(tf.results.values()), state.known)
    lost |= {number for number, operation in enumerate(tf.operations) if id(operation) in inside}
    shares = shares_of(search.labels[0], state.torch, set(state.same), set(state.parted), frozenset(search.names))
    shares += shares_of(search.labels[1], state.tf, state.known, lost, frozenset().union(*search.names.values()))
    return tuple(sorted(shares, key=lambda share: share.what))


def shares_of(name: str, side: Side, fine: set[int], lost: set[int], parameters: frozenset[str]) -> list[Share]:
    """Return the shares of one side. fine: tensors that the other has, too; lost: operations that cannot count."""
    needed = side.leading(set(side.graph.results.values()))  # what leads nowhere changes nothing
    met = side.leading({number for number in fine if tells(side.graph.arrays[number])}) & needed - lost
    taken = frozenset().union(*(taken for number, taken in side.meeting if number in met))
    return [
        Share(name, "operations", len(met), len(needed)),
        Share(name, "parameters", len(parameters & taken), len(parameters)),
    ]


def tells(array: np.ndarray) -> bool:
    """Tell whether an array is not the same for all samples, as what follows dead units is."""
    if array.size <= 1:
        return array.size == 1
    like = array[:1] if len(array) > 1 else array.flat[0]
    return bool(np.any(bounded(array) != bounded(np.asarray(like))))


def in_words(shares: tuple[Share, ...]) -> Iterator[str]:
    """Yield a line for each thing that there is a share of."""
    for what in dict.fromkeys(share.what for share in shares):
        counts = (f"{share.side} {share.compared} of {share.count}" for share in shares if share.what == what)
        yield f"{what} compared by their values: {', '.join(counts)}"
