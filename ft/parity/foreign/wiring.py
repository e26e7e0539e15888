"""Layers that take something else: what they compute is the same on both sides, what they compute it from is not.

Such as a norm before attention on one side and after the sum on the other. Each operation that differs is run once more
with what its partner takes in place of what it takes itself: where it then agrees, that alone is the difference. Of
several such places that have one layer in common, that layer has moved, and is told once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ft.backend.operations import Operation
from ft.parity.evidence import AT, Finding
from ft.parity.foreign.difference import Difference
from ft.parity.foreign.explain import share_words
from ft.parity.foreign.forcing import Search
from ft.parity.foreign.values import nearest

WIRING = "wiring"
TRIES = 40  # passes in which something else is put in place, at most
LEAST = 2  # places that have a layer in common


@dataclass(frozen=True)
class Wire:
    """An operation, the one that gives what it takes, and the tensor of the other side's that its partner takes."""

    consumer: int
    giver: int
    other: int


def rewired(search: Search, differing: Sequence[Difference], findings: Sequence[Finding]) -> list[Finding | None]:
    """Return findings with those named that take something else; None for one that another one of these explains."""
    open_ones = [d for d, finding in zip(differing, findings, strict=True) if not finding.certain and d.fits]
    wires = Wires(search)
    found = {d.number: wire for d in open_ones if (wire := wires.of(d.number))}
    heads = wires.heads(found)
    told: list[Finding | None] = []
    for d, finding in zip(differing, findings, strict=True):
        head = heads.get(d.number)
        if head is None:
            told.append(finding)
        elif head != d.number:
            told.append(None)
        else:
            more = sum(other == head for other in heads.values()) - 1
            told.append(replace(finding, entry=WIRING, certain=True, detail=wires.words(found[head], d, more)))
    return told


class Wires:
    """Looks for what an operation takes that its partner does not."""

    def __init__(self, search: Search) -> None:
        self.search, self.tried = search, 0
        self.graph = search.last.torch.graph

    def of(self, number: int) -> Wire | None:
        """Return what an operation should take instead, None where that is not why it differs."""
        for wire, own in self.candidates(number):
            if self.tried >= TRIES:
                return None
            x, like = self.search.tf.graph.arrays[wire.other], self.graph.arrays[own]
            value = nearest(x, like, moved=self.search.moved(like.ndim))
            if value is None:
                continue
            self.tried += 1
            forced = {**self.search.forced, wire.giver: value}
            after = self.search.attempt(forced, {**self.search.partners, wire.giver: wire.other})
            if after is not None and not self.search.differs(after, number):
                return wire
        return None

    def candidates(self, number: int) -> Iterator[tuple[Wire, int]]:
        """Yield wires that may be, each with the tensor that the operation takes now."""
        search, state = self.search, self.search.last
        tensor = search.partners.get(number)
        if tensor is None or tensor not in search.tf.makers:
            return
        arrays = search.tf.graph.arrays
        for own in dict.fromkeys(search.given(state, number)):
            giver = state.torch.makers.get(own)
            if own not in state.torch.moving or giver is None or self.graph.operations[giver].outputs[0] != own:
                continue
            for other in search.taken(tensor):
                alike = arrays[other].size == self.graph.arrays[own].size
                if alike and search.on_both(state, giver, other) and other not in state.same[own]:
                    yield Wire(number, giver, other), own

    def heads(self, found: dict[int, Wire]) -> dict[int, int]:
        """Return for each operation of a wire the one that tells it: itself, or a layer that has moved."""
        met = {number: self.layers(wire) for number, wire in found.items()}
        counts = Counter(layer for layers in met.values() for layer in layers if layer in found)
        heads = {}
        for number, layers in met.items():
            best = max(
                (layer for layer in layers if counts[layer] >= LEAST), key=lambda i: (counts[i], -i), default=None
            )
            heads[number] = number if best is None else best
        return {number: head if heads[head] == head else number for number, head in heads.items()}

    def layers(self, wire: Wire) -> set[int]:
        """Return the operations with parameters that a wire begins or ends at, on either side."""
        state = self.search.last
        makers = (state.torch.makers.get(i) for i, partners in state.same.items() if wire.other in partners)
        ends = {wire.consumer, wire.giver, *(number for number in makers if number is not None)}
        return {number for number in ends if self.search.last.torch.parameters(self.graph.operations[number])}

    def words(self, wire: Wire, d: Difference, more: int) -> str:
        """Return what both sides take, in words."""
        search, (one, other) = self.search, self.search.labels
        makers, graph = search.tf.makers, search.tf.graph
        theirs = graph.operations[makers[wire.other]] if wire.other in makers else None
        ours = named(self.graph.operations[wire.giver])
        place = f"{d.operation.name} of {d.operation.path or 'model'}, in {other} of {d.layer or 'the model itself'}"
        beside = f"; {more} more take{'s' * (more == 1)} something else with it" if more else ""
        their_words = named(theirs) if theirs else graph.leaves.get(wire.other, "something else")
        return f"{one}: after {ours}; {other}: after {their_words}{AT}{place}{beside}" + share_words(d.share)


def named(operation: Operation) -> str:
    """Return an operation and its layer in words."""
    return f"{operation.name} of {operation.path or 'the model itself'}"
