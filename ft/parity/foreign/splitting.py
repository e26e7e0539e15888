"""What is behind one operation that differs: several that lead to it, where each takes the same on both sides.

Of two differences that meet in one operation, that one alone explains all. So it is asked what leads to it: parts that
come of the same tensors on both sides are put in place together, and where nothing differs behind them, they are told.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import permutations

from ft.parity.foreign.forcing import Search
from ft.parity.foreign.states import Side, State
from ft.parity.foreign.values import TRIED, apart

ROUNDS = 3
LARGEST = 200  # operations between what both have and the one that differs


def split(search: Search, state: State) -> State:
    """Force in place of each operation that differs those that lead to it, where they explain it; return the pass."""
    for _ in range(ROUNDS):
        before = dict(search.forced)
        for number in list(search.forced):
            if number not in search.anchored and number not in search.earlier and search.differs(state, number):
                state = split_one(search, state, number)
        if search.forced.keys() == before.keys():
            break
    return state


def split_one(search: Search, state: State, number: int) -> State:
    """Return the pass with what leads to an operation in its place, or the same one.

    Parts that come of the same tensors are looked for first, then those that come of what these are made of: one side
    may turn halves of a vector, and the other one the whole.
    """
    for rooted in (False, True):
        after = put_in_place(search, state, number, dict(leading_to(search, state, number, rooted=rooted)))
        if after is not state:
            return after
    return state


def put_in_place(search: Search, state: State, number: int, pairs: Mapping[int, int]) -> State:
    """Return the pass with some operations in place of one, or the same where these do not explain it."""
    search.orders |= {
        (n, tensor): order for n, tensor in pairs.items() if (order := order_of(search, state, n, tensor))
    }
    values = {n: search.value_for(state, n, tensor) for n, tensor in pairs.items()}
    if not pairs or any(value is None for value in values.values()):
        return state
    forced = {n: x for n, x in {**search.forced, **values}.items() if n != number and x is not None}
    partners = {n: t for n, t in {**search.partners, **pairs}.items() if n != number}
    after = search.attempt(forced, partners)
    output = state.torch.graph.operations[number].outputs[0]
    if after is None or len(after.parted) > len(state.parted) or output not in after.same:
        return state
    search.forced, search.partners = forced, partners
    return after


def leading_to(search: Search, state: State, number: int, *, rooted: bool) -> Iterator[tuple[int, int]]:
    """Yield operations inside of one that differs, each with the tensor that is made of the same on the other side.

    rooted: of the same roots, see `root`.
    """
    graph, tf = state.torch.graph, search.tf.graph
    inside, _ = state.region(state.torch, graph.operations[number].outputs[0], set(state.same))
    theirs, _ = state.region(search.tf, search.partners[number], search.known_before(state, search.partners[number]))
    if max(len(inside), len(theirs)) > LARGEST:
        return
    fine = set(state.same), state.known
    ours = {}
    for i, edge in edges(state.torch, inside, state.same):
        starts = {root(state.torch, x, fine[0]) for x in edge} if rooted else edge
        ours[i] = frozenset(min(state.same[x]) for x in starts)
    others: dict[frozenset[int], list[int]] = {}
    for i, edge in edges(search.tf, theirs, state.known):
        starts = {root(search.tf, x, fine[1]) for x in edge} if rooted else edge
        others.setdefault(frozenset(map(search.first_equal, starts)), []).insert(0, tf.operations[i].outputs[0])
    ends = {edge: i for i, edge in ours.items() if not (rooted and i == number)}
    for edge, i in ends.items():  # of several that come of the same, the last one
        fitting = [tensor for tensor in others.get(edge, ()) if search.fits(state, i, tensor)]
        if fitting and i != number and graph.arrays[graph.operations[i].outputs[0]].dtype.kind == "f":
            alike = set(search.table.find(tf.arrays[fitting[0]]))  # the same numbers, as both come of them at best
            shapes = {tf.arrays[x].shape for tensor in edge for x in search.table.find(tf.arrays[tensor])}
            yield i, min(fitting, key=lambda x: (x not in alike, tf.arrays[x].shape not in shapes))


def order_of(search: Search, state: State, number: int, tensor: int) -> tuple[int, ...] | None:
    """Return the order in which a tensor's axes are those of an operation, as what both come of has them."""
    graph, x = state.torch.graph, search.tf.graph.arrays[tensor]
    output = graph.arrays[graph.operations[number].outputs[0]]
    _, edge = state.region(state.torch, graph.operations[number].outputs[0], set(state.same))
    for own in edge:
        y = graph.arrays[own]
        for other in state.same[own] if y.shape == output.shape else ():
            z = search.tf.graph.arrays[other]
            if z.shape == x.shape and z.ndim == y.ndim <= TRIED:
                orders = (p for p in permutations(range(z.ndim)) if z.transpose(p).shape == y.shape)
                if order := next((p for p in orders if apart(z.transpose(p), y) <= search.close), None):
                    return order
    return None


def root(side: Side, tensor: int, fine: Collection[int]) -> int:
    """Return what a tensor is made of, as far up as that is one tensor that both sides have, and no parameter."""
    while (maker := side.makers.get(tensor)) is not None:
        operation = side.graph.operations[maker]
        given = side.moving.intersection(operation.inputs)
        if len(given) != 1 or not given.issubset(fine) or side.parameters(operation):
            return tensor
        tensor = given.pop()
    return tensor


def edges(
    side: Side, inside: Collection[int], fine: Collection[int] | Mapping[int, object]
) -> Iterator[tuple[int, set[int]]]:
    """Yield operations in their order, each with the tensors that are fine of which it comes."""
    reached: dict[int, set[int]] = {}
    for i in sorted(inside):
        edge: set[int] = set()
        for tensor in side.graph.operations[i].inputs:
            if tensor not in side.moving:
                continue
            edge |= {tensor} if tensor in fine else reached.get(side.makers.get(tensor, -1), {tensor})
        reached[i] = edge
        yield i, edge
