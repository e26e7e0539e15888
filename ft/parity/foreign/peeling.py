"""What is behind a difference that has no name: many small ones in a row, as in every step of a loop.

One operation at the end of them explains all, and says nothing. So it is taken back, and from the front each operation
is put in place of which a family knows what it is on both sides; where nothing differs behind these, they are told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ft.parity.evidence import Finding
from ft.parity.families import FAMILIES, Case, members
from ft.parity.foreign.difference import telling
from ft.parity.foreign.forcing import FINER, Search
from ft.parity.foreign.states import State

STEPS = 40  # operations that are put in place, at most
WIDE = 12  # operations that are looked at for the next one


def peeled(search: Search, findings: Sequence[Finding | None]) -> bool:
    """Put operations with a name in place of those without; tell whether these explain as much."""
    if all(finding is None or finding.certain for finding in findings):
        return False
    loose = search.forced.keys() - search.anchored.keys() - search.earlier.keys()
    readings = Readings()
    forced = {number: x for number, x in search.forced.items() if number not in loose}
    partners = {number: tensor for number, tensor in search.partners.items() if number not in loose}
    state, most = search.attempt(forced, partners) if loose else None, len(search.last.parted)
    for _ in range(STEPS):
        if state is None or len(state.parted) <= most:
            break
        number, tensor = next(sure(search, state, readings), (None, None))
        if number is None or tensor is None or (value := search.value_for(state, number, tensor)) is None:
            return False
        forced, partners = {**forced, number: value}, {**partners, number: tensor}
        state = search.attempt(forced, partners)
    if state is None or len(state.parted) > most:
        return False
    search.forced, search.partners, search.last = forced, partners, state
    return True


def sure(search: Search, state: State, readings: "Readings") -> Iterator[tuple[int, int]]:
    """Yield operations that differ, each with the tensor of the other side that a family tells apart from its own.

    What the other side has nothing for comes last: a part of what it does at once would be one as well.
    """
    close, places = search.close / FINER[0], list(open_places(state))
    for passed_on in (False, True):
        for number, edge in places:
            own = state.torch.graph.arrays[state.torch.graph.operations[number].outputs[0]]
            inputs = telling(state.torch.graph.arrays[i] for i in edge)
            tensors = [state.same[i][0] for i in edge] if passed_on else search.derived(state, edge)
            for tensor in (tensor for tensor in tensors if search.fits(state, number, tensor)):
                value = search.value_for(state, number, tensor)
                if value is not None and readings.tell_apart(Case(inputs, {}, own, close=close), value):
                    yield number, tensor


def open_places(state: State) -> Iterator[tuple[int, list[int]]]:
    """Yield operations that differ and come, without a parameter, of tensors that both sides have, with these."""
    graph = state.torch.graph
    for number in state.parted[:WIDE]:
        inside, edge = state.region(state.torch, graph.operations[number].outputs[0], set(state.same))
        if set(edge) <= state.same.keys() and not any(state.torch.parameters(graph.operations[i]) for i in inside):
            yield number, edge


class Readings:
    """What families take operations for, each asked once: the other side is asked by those alone that know one."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], tuple[Case, list[str]]] = {}

    def tell_apart(self, case: Case, output: np.ndarray) -> bool:
        """Tell whether a family knows what an operation is, and as what else it gives another output."""
        key = (id(case.output), *map(id, case.inputs))
        if key not in self.known:  # with the arrays, which must live as long as their ids count
            self.known[key] = case, [name for name, fit in FAMILIES.items() if fit(case)]
        names, other = self.known[key][1], replace(case, output=output)
        return any(a and b and a != b for _, a, b in members(case, other, names))
