"""What is known of every operation that differs, and how much of the results' difference it makes alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ft.backend.forms import Form, applied
from ft.backend.operations import Graph, Operation
from ft.parity.families.same import bounded
from ft.parity.foreign.forcing import Search
from ft.parity.foreign.splitting import split
from ft.parity.foreign.states import Side, State, graph_inputs, results_apart
from ft.parity.foreign.values import apart, nearest

NONE = 1e-9  # a share of the results' difference that is no more than rounding
GRU = 3  # gates
FURTHER = 2  # operations before what an operation takes
MEASURED = 10  # differences beyond which the share of each is not measured


class Apart(NamedTuple):
    """What an operation takes on each side, in PyTorch's layout, and its parameters by their names in the layer."""

    torch: tuple[np.ndarray, ...]
    tf: tuple[np.ndarray, ...]
    parameters: dict[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """An operation that does something else in the two models with the same inputs.

    inputs: what both take; parameters: by their names in the layer; torch, tf: what each gives, in PyTorch's layout
    where the shapes allow it; other: the operations of Keras's side between inputs and output; layer: that of
    the last; others: what these take, PyTorch's own output among it; reached: whether Keras's side has that output as
    well; permuted: whether both give the same numbers; share: of the difference of the results, what this alone makes;
    part: which of its layer's operations it is; near: the inputs nearest to it, in whatever order the other side has
    them; inside: the operations between inputs and output; fits: whether the other side's has its size; own: what each
    side takes, where that is not the same; tables: the parameters by whole names; further: what its input comes of;
    types: the smallest type of numbers in it on each side; constants: what does not depend on the input in it, those of
    both sides that may stand for one another.
    """

    number: int
    operation: Operation
    inputs: tuple[np.ndarray, ...]
    parameters: dict[str, np.ndarray]
    torch: np.ndarray
    tf: np.ndarray
    other: tuple[Operation, ...]
    layer: str
    others: tuple[np.ndarray, ...] = ()
    reached: bool = False
    permuted: bool = False
    share: float = 0.0
    part: str = ""
    near: tuple[np.ndarray, ...] = ()
    inside: frozenset[int] = frozenset()
    fits: bool = True
    own: Apart | None = None
    tables: Mapping[str, np.ndarray] = field(default_factory=dict)
    further: tuple[np.ndarray, ...] = ()
    types: tuple[str, str] = ("", "")
    constants: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    @property
    def size(self) -> float:
        """The largest relative difference, infinity where the shapes are not the same."""
        return apart(self.torch, self.tf)


def differences(search: Search) -> list[Difference]:
    """Return every operation that differs, in PyTorch's order."""
    search.finish()
    search.last = split(search, search.last)
    return listed(search)


def listed(search: Search) -> list[Difference]:
    """Return what a search has put in place and differs, and what it has found no partner for."""
    forced = told(search, search.last)
    unfit = [number for number in search.unfit if search.ready(search.last, number)]
    open_ones = [number for number in search.last.parted[:1] if not forced or number not in search.forced]
    lost = [unpaired(search, search.last, number) for number in open_ones if number not in unfit]
    unlike = [replace(unpaired(search, search.last, number), fits=False) for number in unfit]
    return sorted([*forced, *lost, *unlike], key=lambda difference: difference.number)


def told(search: Search, state: State) -> list[Difference]:
    """Return what is forced and really differs, with the share of the results' difference that each makes alone."""
    kept = [number for number in sorted(search.forced) if search.differs(state, number)]
    parts = shares(search, kept)
    kept = [number for number in kept if parts.get(number, 1.0) > NONE] or kept
    even = level(search, state) if kept else {}
    return [difference(search, state, even, number, parts.get(number, 1.0)) for number in kept]


def shares(search: Search, kept: list[int]) -> dict[int, float]:
    """Return how far each difference alone moves the results, relative to what all of them do.

    Up to each of them in turn PyTorch's side takes Keras's values, and goes its own way from there.
    """
    if len(kept) <= 1 or len(kept) > MEASURED:
        return {}
    ways = [search.plain.torch.graph]
    ways += [search.run({n: search.forced[n] for n in kept[: i + 1]}) for i in range(len(kept))]
    whole = results_apart(ways[0], ways[-1])
    steps = pairwise(ways)
    return {n: results_apart(*pair) / whole for n, pair in zip(kept, steps, strict=True)} if whole else {}


def difference(search: Search, state: State, even: Mapping[int, list[int]], number: int, share: float) -> Difference:
    """Return all that is known of an operation that differs. even: see `level`."""
    graph = state.torch.graph
    operation = graph.operations[number]
    output, tensor = operation.outputs[0], search.partners[number]
    inside, edge = search.whole(state, number) or state.region(state.torch, output, set(even))
    value = graph.arrays[output]
    local = graph.local.get(output, value)
    known = {i for partners in even.values() for i in partners}
    known = known - set(search.table.find(search.tf.graph.arrays[tensor]))
    theirs, ends = state.region(search.tf, tensor, known | set(search.table.find(local)))
    taken = [nearest(search.tf.graph.arrays[i], local, moved=search.moved(local.ndim)) for i in ends]
    return Difference(
        number,
        operation,
        telling(graph.arrays[i] for i in edge),
        {leaf: x for i in inside for leaf, x in weights(state, graph.operations[i], derived=search.alike).items()},
        local,
        value,
        tuple(search.tf.graph.operations[i] for i in theirs),
        search.tf.graph.operations[search.tf.makers[tensor]].path if tensor in search.tf.makers else "",
        tuple(x for x in taken if x is not None),
        bool(search.table.find(local)),
        permuted=apart(np.sort(local, axis=None), np.sort(value, axis=None)) <= search.close,
        share=share,
        part=graph.part(number),
        near=telling(graph.arrays[i] for i in state.region(state.torch, output, set(state.same))[1]),
        inside=frozenset(inside),
        own=None if search.ready(state, number) else taken_apart(search, state, number),
        tables=tables(state, operation),
        further=tuple(further(state, edge)),
        types=(smallest_type(graph, inside), smallest_type(search.tf.graph, theirs)),
        constants=tuple(constants(search, state, inside, theirs)),
    )


def constants(
    search: Search, state: State, ours: Iterable[int], theirs: Iterable[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what operations of both sides take that depends on nothing, where two such arrays have one size."""
    own = list(fixed(state.torch, ours, search.names.keys()))
    other = list(fixed(state.tf, theirs, frozenset().union(*search.names.values())))
    for x in own:
        for y in other:
            z = nearest(y, x, moved=False) if x.size == y.size else None
            if z is not None:
                yield x, z


def fixed(side: Side, numbers: Iterable[int], shared: Set[str]) -> Iterator[np.ndarray]:
    """Yield arrays of more than one number that operations take and neither the input nor what both share decides."""
    taken = dict.fromkeys(i for number in numbers for i in side.graph.operations[number].inputs)
    for i in taken:
        x = side.graph.arrays[i]
        if (
            i not in side.moving
            and not side.holding.get(i, frozenset()) & shared
            and x.dtype.kind == "f"
            and x.size > 1
        ):
            yield x


def smallest_type(graph: Graph, numbers: Iterable[int]) -> str:
    """Return the smallest type of the numbers that some operations give."""
    arrays = (graph.arrays[i] for number in numbers for i in graph.operations[number].outputs)
    return min((x.dtype for x in arrays if x.dtype.kind == "f"), key=lambda t: t.itemsize, default=np.dtype("f8")).name


def taken_apart(search: Search, state: State, number: int) -> Apart:
    """Return what an operation takes, and what its partner's layer takes up to there."""
    theirs, tensor = search.tf.graph, search.partners[number]
    maker = search.tf.makers.get(tensor, -1)
    first = max((layer.first for layer in theirs.layers if layer.first <= maker <= layer.last), default=maker)
    made = {i for operation in theirs.operations[first : maker + 1] for i in operation.outputs}
    given = (i for operation in theirs.operations[first : maker + 1] for i in operation.inputs)
    arrays = [theirs.arrays[i] for i in dict.fromkeys(given) if i in search.tf.moving and i not in made]
    other = (np.moveaxis(x, -1, 1) if x.ndim > 2 and search.moved(x.ndim) else x for x in arrays)
    own = (state.torch.graph.arrays[i] for i in graph_inputs(state, number))
    return Apart(tuple(own), tuple(other), weights(state, state.torch.graph.operations[number]))


def further(state: State, edge: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield what a tensor comes of alone, without a parameter, and what that comes of: a pooling may pad before it."""
    for _ in range(FURTHER):
        maker = state.torch.makers.get(edge[0]) if len(edge) == 1 else None
        if maker is None or state.torch.parameters(state.torch.graph.operations[maker]):
            return
        edge = graph_inputs(state, maker)
        if len(edge) == 1:
            yield state.torch.graph.arrays[edge[0]]


def tables(state: State, operation: Operation) -> dict[str, np.ndarray]:
    """Return the parameters that an operation meets the input with, directly or through others."""
    numbers = {leaf: number for number, leaf in state.torch.graph.leaves.items()}
    names = sorted(state.torch.parameters(operation))
    return {name: state.torch.graph.arrays[numbers[f"parameter {name}"]] for name in names}


def level(search: Search, state: State) -> dict[int, list[int]]:
    """Return the tensors that both sides have, in one order."""
    return {own: partners for own, partners in state.same.items() if not search.turned(state, own)}


def weights(state: State, operation: Operation, *, derived: bool = False) -> dict[str, np.ndarray]:
    """Return the parameters that an operation takes, by their names in the layer. derived: through others."""
    if derived:
        every = tables(state, operation)  # of two directions the forward one counts
        return {name.rpartition(".")[2]: x for name, x in every.items()}
    leaves = ((i, state.torch.graph.leaves.get(i, "")) for i in operation.inputs)
    tensors = {leaf.rpartition(".")[2].removeprefix("parameter "): i for i, leaf in leaves if leaf[:9] == "parameter"}
    return {leaf: state.torch.graph.arrays[i] for leaf, i in tensors.items()}


def unpaired(search: Search, state: State, number: int) -> Difference:
    """Return a difference whose partner is not known, or has another shape."""
    graph = state.torch.graph
    operation = graph.operations[number]
    _, edge = state.region(state.torch, operation.outputs[0], set(state.same))
    anchor = search.anchors(state, number)
    known = [i for i in edge for i in state.same.get(i, ())]
    reached = [i for i in state.unknown if set(search.tf.graph.operations[i].inputs) & set(known)]
    result = state.other_results.get(operation.outputs[0])  # of what a model gives, what the other gives
    theirs = (
        [result] if result is not None else anchor or [search.tf.graph.operations[i].outputs[0] for i in reached[-1:]]
    )
    tensor = theirs[0] if theirs else None
    value = np.zeros(0) if tensor is None else search.tf.graph.arrays[tensor]
    layer = search.tf.graph.operations[search.tf.makers[tensor]].path if tensor in search.tf.makers else ""
    own = graph.arrays[operation.outputs[0]]
    if value.ndim == own.ndim > 2 and search.moved(own.ndim):
        value = np.moveaxis(value, -1, 1)
    inside = state.region(search.tf, tensor, state.known)[0] if tensor in search.tf.makers else []
    return Difference(
        number,
        operation,
        tuple(graph.arrays[i] for i in edge),
        weights(state, operation),
        own,
        value,
        tuple(search.tf.graph.operations[i] for i in inside),
        layer,
        share=1.0,
        part=graph.part(number),
    )


def telling(arrays: Iterable[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return the arrays that say something, all of them if none does: one of ones counts pixels at most."""
    every = tuple(arrays)
    return tuple(x for x in every if x.size and np.ptp(bounded(x))) or every


def channels_first(d: Difference) -> Difference:
    """Return a difference of a first side whose maps have their channels last, with its arrays as PyTorch has them."""
    lists = {name: tuple(map(to_first, getattr(d, name))) for name in ("inputs", "others", "near")}
    weights = {leaf: transposed(x) for leaf, x in d.parameters.items()}
    weights = in_gates_of_torch(weights) if "weight_hh" in weights else weights
    return replace(d, torch=to_first(d.torch), tf=to_first(d.tf), parameters=weights, **lists)


def in_gates_of_torch(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters of a recurrent cell of Keras's, whose GRU has another order, and two biases in one."""
    if (biases := weights.get("bias")) is not None and biases.ndim > 1:
        weights = {**weights, "bias_ih": biases[:, 0], "bias_hh": biases[:, 1]}
    rows, units = weights["weight_hh"].shape
    order: Form = (("blocks", 1, 0, 2),) if rows == GRU * units else ()
    return {leaf: applied(x, order) if len(x) == rows else x for leaf, x in weights.items()}


def to_first(x: np.ndarray) -> np.ndarray:
    """Return a map with its channels after the samples."""
    return np.moveaxis(x, -1, 1) if x.ndim > 3 else x


def transposed(x: np.ndarray) -> np.ndarray:
    """Return a kernel with outputs and inputs first."""
    return np.moveaxis(x, (-1, -2), (0, 1)) if x.ndim > 1 else x
