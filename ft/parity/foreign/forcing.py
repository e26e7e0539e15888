"""Where two models part, operation by operation: PyTorch's is run again with Keras's values in place of its own.

Tensors pair by their values, whatever their layout. Where an operation gives what the other side has nowhere, its
partner is looked for, by the parameters that both take, by the layer that both feed, at last by trial: its output is
replaced by the partner's, the model runs on, and all behind it is compared as if nothing had been. So every difference
is found where it is, and none is blamed that comes from before.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from ft.backend.operations import Graph, LayerCall
from ft.errors import UserError
from ft.parity.foreign.anchors import LOOPS, WHOLE, by_parameters, in_its_place
from ft.parity.foreign.sides import SIDES, framework_of
from ft.parity.foreign.states import Side, State, does_nothing, graph_inputs
from ft.parity.foreign.values import Table, apart, distance, nearest, of_two_values, same_order, shape_apart

SMALL = 60  # operations of a model in which every candidate is tried
LIMIT = 60  # differences that are looked for
DIGITS = 6  # of a distance; of several as near the first counts
FIRST, NEAR = 6, 3  # operations that are tried for a difference, and partners of each
FINER = (0.1, 0.001)  # of what counts as the same function: how near values must be to be the same
Run = Callable[[Mapping[int, np.ndarray]], Graph]


class Search:
    """Looks for every difference. names: PyTorch's parameter -> Keras's variables with a part of it.

    earlier: partners of operations that are known to differ, of a search with other inputs; edges: what these come of,
    where that is further up than what they take; labels: what the sides are
    called; of one framework, both have their channels in one place, and layers that are the same operations inside.
    """

    def __init__(
        self,
        run: Run,
        tf: Graph,
        names: Mapping[str, frozenset[str]],
        close: float,
        earlier: Mapping[int, int] = MappingProxyType({}),
        labels: tuple[str, str] = SIDES,
        edges: Mapping[int, list[int]] = MappingProxyType({}),
    ) -> None:
        self.labels, self.alike = labels, framework_of(labels[0]) == framework_of(labels[1])
        self.run, self.names, self.close, self.earlier, self.edges = run, names, close, earlier, edges
        self.tf = Side(tf)
        self.table = Table({i: x for i, x in tf.arrays.items() if i in self.tf.moving}, close)
        self.forced: dict[int, np.ndarray] = {}
        self.partners: dict[int, int] = {}  # operation of PyTorch's -> tensor of Keras's
        self.unfit: list[int] = []  # those whose partner has another size
        self.anchored: dict[int, list[int]] = {}  # what is taken where that is not compared yet
        self.orders: dict[tuple[int, int], tuple[int, ...]] = {}  # of a partner's axes, where more than values tell it
        self.enlarged: dict[int, list[int]] = {}  # what is larger on both sides from here on, with what it takes
        self.layouts: dict[int, bool] = {}  # rank -> whether channels are last on Keras's side alone

    def state(self, forced: Mapping[int, np.ndarray], partners: Mapping[int, int]) -> State:
        """Return what both sides have in common with some operations forced."""
        given, done = {**self.enlarged, **self.anchored}, {*forced, *self.enlarged}
        return State(Side(self.run(forced)), self.tf, self.table, done, partners, given)

    def finish(self) -> None:
        """Force every operation that differs; `plain` is the pass before that, `last` the one after it."""
        state = self.state({}, {})
        self.plain = state
        for number, tensor in self.earlier.items():
            self.take(state, number, tensor)
            self.anchored[number] = self.edges.get(number) or self.given(state, number)
        state = self.state(self.forced, self.partners) if self.earlier else state
        state = self.force_anchors(state)
        while state.parted and len(self.forced) < LIMIT:
            pair = self.choose(state)
            if pair is None:
                break
            self.take(state, *pair)
            state = self.state(self.forced, self.partners)
        self.last = self.blame_operands(state)

    def blame_operands(self, state: State) -> State:
        """Where an operation differs only because its partner takes other numbers, blame what gave them."""
        for number in list(self.forced):
            if number in self.earlier or self.own_layer(state, number) or not self.differs(state, number):
                continue
            for maker, other in list(self.operands(state, number)):
                if maker in self.forced or self.on_both(state, maker, other):
                    continue
                value = self.value_for(state, maker, other)
                after = None if value is None else self.tried(maker, other, value)
                if after and not self.differs(after, number) and len(after.parted) <= len(state.parted):
                    self.take(state, maker, other)
                    state = after
                    break
        return state

    def on_both(self, state: State, maker: int, other: int) -> bool:
        """Tell whether both sides have what an operation gives as well as another tensor: neither is to blame then."""
        own = state.torch.graph.operations[maker].outputs[0]
        if own not in state.same or self.turned(state, own):
            return False
        return any(other in partners and not self.turned(state, i) for i, partners in state.same.items())

    def last_edges(self) -> dict[int, list[int]]:
        """Return what each operation that differs comes of, as far up as nothing before is the same on both sides."""
        graph, same = self.last.torch.graph, set(self.last.same)
        outputs = {number: graph.operations[number].outputs[0] for number in self.forced if number not in self.anchored}
        return {number: self.last.region(self.last.torch, tensor, same)[1] for number, tensor in outputs.items()}

    def differs(self, state: State, number: int) -> bool:
        """Tell whether a forced operation gives something else than what it is forced to."""
        graph = state.torch.graph
        output = graph.operations[number].outputs[0]
        return apart(graph.local[output], graph.arrays[output]) > self.close

    def take(self, state: State, number: int, tensor: int) -> None:
        """Replace the output of an operation by a tensor of Keras's side from here on."""
        value = self.value_for(state, number, tensor)
        if value is None:
            raise ValueError("no partner of this shape")
        self.forced, self.partners = {**self.forced, number: value}, {**self.partners, number: tensor}

    def value_for(self, state: State, number: int, tensor: int) -> np.ndarray | None:
        """Return a tensor of Keras's side in the layout of an operation's output."""
        output = state.torch.graph.operations[number].outputs[0]
        own = state.torch.graph.local.get(output, state.torch.graph.arrays[output])
        if order := self.orders.get((number, tensor)):
            return np.ascontiguousarray(self.tf.graph.arrays[tensor].transpose(order))
        return nearest(self.tf.graph.arrays[tensor], own, moved=self.moved(own.ndim))

    def moved(self, rank: int) -> bool:
        """Tell whether arrays of a rank have their channels last on Keras's side alone, as those do that are equal."""
        if rank not in self.layouts:
            votes = [0, 0]
            arrays = self.plain.torch.graph.arrays, self.tf.graph.arrays
            for own, partners in self.plain.same.items():
                x, y = arrays[0][own], arrays[1][partners[0]]
                if x.ndim == y.ndim == rank > 2:
                    votes[0] += apart(x, y) <= self.close
                    votes[1] += apart(x, np.moveaxis(y, -1, 1)) <= self.close
            self.layouts[rank] = votes[1] > votes[0] or (votes[0] == votes[1] and rank != 3 and not self.alike)
        return self.layouts[rank]

    def force_anchors(self, state: State) -> State:
        """Force at once every operation with parameters that differs and whose partner is known."""
        for number in state.parted:
            layer = self.own_layer(state, number)
            if layer is not None and state.torch.makers[layer.output] != number:
                continue  # the layer is one operation, and ends later
            anchors = (
                self.anchors(state, number) if layer is None else in_its_place(state.torch, self.tf, self.names, layer)
            )
            if anchors and self.fits(state, number, anchors[0]):
                self.take(state, number, anchors[0])
                self.anchored[number] = self.given(state, number)
            elif anchors:
                self.unfit.append(number)
        return self.state(self.forced, self.partners) if self.forced else state

    def given(self, state: State, number: int) -> list[int]:
        """Return what an operation takes, or its layer where that is one operation."""
        layer, operations = self.own_layer(state, number), state.torch.graph.operations
        inside = operations[layer.first : layer.last + 1] if layer else [operations[number]]
        made = {tensor for operation in inside for tensor in operation.outputs}
        return [tensor for operation in inside for tensor in operation.inputs if tensor not in made]

    def whole(self, state: State, number: int) -> tuple[list[int], list[int]] | None:
        """Return the operations of a layer that is one operation, and what it takes; None for another operation."""
        layer = self.own_layer(state, number)
        if layer is None:
            return None
        given = (i for i in self.given(state, number) if i in state.torch.moving)
        return list(range(layer.first, layer.last + 1)), list(dict.fromkeys(given))

    def own_layer(self, state: State, number: int) -> LayerCall | None:
        """Return the layer that an operation of the first side's is inside of, where that side is Keras's, too."""
        if not self.alike or framework_of(self.labels[0]) != "tf":
            return None
        layers = (layer for layer in state.torch.graph.layers if layer.kind in WHOLE)
        return next((layer for layer in layers if layer.first <= number <= layer.last), None)

    def fits(self, state: State, number: int, tensor: int) -> bool:
        """Tell whether a tensor of Keras's has the size of an operation's output."""
        output = state.torch.graph.operations[number].outputs[0]
        return state.torch.graph.arrays[output].size == self.tf.graph.arrays[tensor].size

    def anchors(self, state: State, number: int) -> list[int]:
        """Return the tensors of Keras's side that may be an operation's, by the parameters that it takes."""
        return by_parameters(state.torch, self.tf, self.names, number, alike=self.alike)

    def choose(self, state: State) -> tuple[int, int] | None:
        """Return the operation and the tensor of Keras's side after which most agrees, the first one of several."""
        pairs = list(dict.fromkeys(self.candidates(state)))
        pairs = [pair for pair in pairs if pair[0] not in self.forced and self.fits(state, *pair)]
        pairs = [pair for pair in pairs if self.of_a_kind(state, *pair)]
        if len(pairs) <= 1:
            return pairs[0] if pairs else None
        scored = []
        for number, tensor in pairs:
            value = self.value_for(state, number, tensor)
            assert value is not None
            after = self.tried(number, tensor, value)
            if after is None:
                continue
            output = state.torch.graph.operations[number].outputs[0]
            far = round(shape_apart(state.torch.graph.arrays[output], value), DIGITS)
            if number == state.parted[0] and self.left(after) < self.left(state) and self.closes(state, output):
                return number, tensor
            scored.append((self.left(after), number, far, tensor))
        left, number, _, tensor = min(scored, default=(self.left(state), 0, 0.0, 0))
        if left >= self.left(state):
            return None
        alike = [n for as_left, n, _, i in scored if (as_left, i) == (left, tensor) and does_nothing(state, n, i)]
        return (*alike, number)[0], tensor

    def of_a_kind(self, state: State, number: int, tensor: int) -> bool:
        """Tell whether a tensor is a mask where an operation gives one: other numbers, or one, never stand for that."""
        own = state.torch.graph.arrays[state.torch.graph.operations[number].outputs[0]]
        other = self.tf.graph.arrays[tensor]
        return not of_two_values(own) or (of_two_values(other) and bool(np.any(other != other.flat[0])))

    def closes(self, state: State, output: int) -> bool:
        """Tell whether no other operation that differs takes a tensor: its maker alone is to be explained.

        In a small model all are tried nevertheless: what the other side does beside it may lie before it.
        """
        operations = state.torch.graph.operations
        return len(operations) > SMALL and not any(output in operations[n].inputs for n in state.parted)

    def tried(self, number: int, tensor: int, value: np.ndarray) -> State | None:
        """Return the state with one more operation forced, None where the model does not take that."""
        return self.attempt({**self.forced, number: value}, {**self.partners, number: tensor})

    def attempt(self, forced: Mapping[int, np.ndarray], partners: Mapping[int, int]) -> State | None:
        """Return the state with some operations forced, None where the model does not take that."""
        try:
            return self.state(forced, partners)
        except UserError:
            return None

    def known_before(self, state: State, tensor: int) -> set[int]:
        """Return the tensors of Keras's side that PyTorch's has as well, those left out that only hand this one on."""
        return state.known - set(self.table.find(self.tf.graph.arrays[tensor]))

    def first_equal(self, tensor: int) -> int:
        """Return the first tensor of Keras's side with the values of one of its own."""
        return min(self.table.find(self.tf.graph.arrays[tensor]), default=tensor)

    def left(self, state: State) -> int:
        """Return how much still differs: operations without a partner, and forced ones that give something else."""
        old = [number for number in self.forced if number in state.forced]
        return len(state.parted) + sum(self.differs(state, number) for number in old)

    def candidates(self, state: State) -> Iterator[tuple[int, int]]:
        """Yield operations that may be the first that differs, each with tensors that may be its partner's."""
        first = state.parted[0]
        if self.ready(state, first) and (anchors := self.anchors(state, first)):
            yield from ((first, tensor) for tensor in anchors)
        yield from ((maker, other) for maker, other in self.operands(state) if not self.on_both(state, maker, other))
        for own in graph_inputs(state, first):  # one side may have an operation in between
            maker = state.torch.makers.get(own)
            size = state.torch.graph.arrays[own].size
            if maker is not None:
                yield from ((maker, i) for i in self.edge(state) if self.tf.graph.arrays[i].size == size)
        for own, other in state.other_results.items():
            if own in state.torch.makers:
                yield self.chain(state, state.torch.makers[own])[0], other
        graph, tf = state.torch.graph, self.tf.graph
        made = (operation.outputs[0] for operation in tf.operations)
        open_tensors = [i for i in made if i in self.tf.moving and i not in state.known]
        for number in state.parted[:FIRST]:
            own = graph.arrays[graph.operations[number].outputs[0]]
            alike = [tensor for tensor in open_tensors if tf.arrays[tensor].size == own.size]
            if self.ready(state, number):  # Keras's side may have nothing there
                given = [i for i in graph.operations[number].inputs if i in state.torch.moving]
                yield from ((number, tensor) for i in given for tensor in state.same.get(i, [])[:1])
                alone = [tensor for tensor in self.derived(state, given) if tf.arrays[tensor].size == own.size]
                yield from ((number, tensor) for tensor in alone[-NEAR:])
            far = {tensor: distance(tf.arrays[tensor], own) for tensor in alike}
            yield from ((number, tensor) for tensor in sorted(alike, key=far.__getitem__)[:NEAR])

    def edge(self, state: State) -> list[int]:
        """Return what Keras's side alone makes of several tensors that both have, without a parameter."""
        operations = [o for o in self.tf.graph.operations if len(self.tf.moving.intersection(o.inputs)) > 1]
        open_ones = [o for o in operations if o.outputs[0] not in state.known and not self.tf.parameters(o)]
        return [o.outputs[0] for o in open_ones if self.tf.moving.intersection(o.inputs) <= state.known]

    def derived(self, state: State, given: list[int]) -> list[int]:
        """Return what Keras's side makes of some tensors alone, without a parameter, and PyTorch's has nowhere."""
        reached, made = {tensor for i in given for tensor in state.same.get(i, [])}, []
        for operation in self.tf.graph.operations:
            inputs = self.tf.moving.intersection(operation.inputs)
            if inputs and inputs <= reached and not self.tf.parameters(operation):
                reached |= set(operation.outputs)
                made += [tensor for tensor in operation.outputs if tensor not in state.known]
        return made

    def ready(self, state: State, number: int) -> bool:
        """Tell whether all that an operation takes is on the other side as well."""
        inputs = state.torch.graph.operations[number].inputs
        return all(i in state.same for i in inputs if i in state.torch.moving)

    def operands(self, state: State, only: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield makers of what a layer takes, with what its partner takes: what one side lacks, an order."""
        for number, tensor in [*self.partners.items(), *self.next_anchors(state)]:
            if only not in (None, number) or tensor not in self.tf.makers:
                continue
            theirs = self.taken(tensor)
            for own in state.torch.graph.operations[number].inputs:
                maker = state.torch.makers.get(own)
                if own not in state.torch.moving or maker is None or maker in self.forced:
                    continue
                for link in self.chain(state, maker):
                    yield from ((link, other) for other in self.instead(state, link, theirs))

    def instead(self, state: State, number: int, theirs: list[int]) -> Iterator[int]:
        """Yield the tensors of Keras's side that an operation should have given: in another order, or what is taken."""
        made = state.torch.graph.operations[number].outputs[0]
        x, arrays = state.torch.graph.arrays[made], self.tf.graph.arrays
        if self.turned(state, made):
            yield max(state.same[made], key=lambda i: (arrays[i].ndim == x.ndim, i))
        yield from (i for i in theirs if arrays[i].size == x.size and not same_order(arrays[i], x, self.close))

    def chain(self, state: State, number: int) -> list[int]:
        """Return the operations that hand numbers on to this one, in their order, as far up as they pass them on.

        That is as a dropout does, or in an order that Keras's side has not.
        """
        graph, links = state.torch.graph, [number]
        while True:
            operation = graph.operations[links[0]]
            given = [i for i in operation.inputs if i in state.torch.moving]
            maker = state.torch.makers.get(given[0]) if len(given) == 1 else None
            if maker is None or maker in self.forced:
                return links
            passed_on = np.array_equal(graph.arrays[given[0]], graph.arrays[operation.outputs[0]])
            if not passed_on and not self.turned(state, given[0]):
                return links
            links.insert(0, maker)

    def turned(self, state: State, own: int) -> bool:
        """Tell whether Keras's side has the values of a tensor, and in another order alone."""
        x = state.torch.graph.arrays[own]
        partners = state.same.get(own, [])
        return bool(partners) and not any(same_order(self.tf.graph.arrays[i], x, self.close) for i in partners)

    def taken(self, tensor: int) -> list[int]:
        """Return what the layer of Keras's takes that gives a tensor, as far as it depends on the input."""
        operations = self.tf.graph.operations
        number = self.tf.makers[tensor]
        path = operations[number].path
        loops = (layer for layer in self.tf.graph.layers if layer.kind in LOOPS and layer.output == tensor)
        first = min((layer.first for layer in loops), default=number)
        while first and operations[first - 1].path == path:
            first -= 1
        inside = {i for operation in operations[first : number + 1] for i in operation.outputs}
        given = [i for operation in operations[first : number + 1] for i in operation.inputs]
        direct = [i for i in operations[number].inputs if i in self.tf.moving]
        outside = [i for i in given if i in self.tf.moving and i not in inside]
        return list(dict.fromkeys([*outside, *direct]))

    def next_anchors(self, state: State) -> Iterator[tuple[int, int]]:
        """Yield the operations with parameters that differ, with their partners."""
        for number in state.parted:
            for tensor in self.anchors(state, number)[:1]:
                yield number, tensor
