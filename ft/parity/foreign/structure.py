"""Which layers belong together by where they stand among the others: what comes before each of them, and after it.

Order alone pairs branches wrongly that one framework runs in another order. Here each layer with parameters is known by
its shapes, then by those of its neighbours, then by theirs, as far as both models have such layers equally often.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ft.backend.description import Description
from ft.parity.foreign.naming import leaf_in_torch, leaf_name, unit_of
from ft.parity.foreign.pairing import ORDER, VALUES, Pair
from ft.parity.foreign.states import Side, State

ROUNDS = 16  # layers in each direction by which one is known
Unit = tuple[Pair, ...]
Colours = list[int]
Near = tuple[list[set[int]], ...]  # the numbers of other layers, in one way or another, for each layer


def by_structure(pairs: Sequence[Pair], state: State, models: Sequence[Description]) -> tuple[Pair, ...]:
    """Return pairs in which layers that only their order has paired stand in one place in both models."""
    units = list(all_units(pairs, models))
    halves = [[frozenset(leaf_name(p.of(side)) for p in unit) for unit in units] for side in (0, 1)]
    sides = [around(side, names) for side, names in zip((state.torch, state.tf), halves, strict=True)]
    new: dict[Pair, Pair] = {}
    for i, j in matched_nodes(sides, [kind(unit) for unit in units]):
        if i != j and all(p.rule in (ORDER, VALUES) for p in (*units[i], *units[j])):
            new |= {own: replace(own, keras=p.keras, rule=VALUES) for own, p in zip(units[i], units[j], strict=True)}
    taken = Counter(new.get(pair, pair).keras for pair in pairs)
    return tuple(new.get(pair, pair) for pair in pairs) if max(taken.values(), default=1) == 1 else tuple(pairs)


def all_units(pairs: Iterable[Pair], models: Sequence[Description]) -> Iterator[Unit]:
    """Yield the pairs of two layers together."""
    parts = [{p.name: p for p in model.parameters} for model in models]
    layers: dict[object, list[Pair]] = {}
    for pair in pairs:
        key = tuple(unit_of(pair.of(side), parts[side]) for side in (0, 1))
        layers.setdefault(key, []).append(pair)
    yield from (tuple(sorted(unit, key=leaf_in_torch)) for unit in layers.values())


def kind(unit: Unit) -> object:
    """Return what two layers must have alike to stand for one another."""
    return tuple((leaf_in_torch(pair) if len(unit) > 1 else "", pair.shape) for pair in unit)


def around(side: Side, nodes: Sequence[frozenset[str]]) -> Near:
    """Return for each layer those before it with no other between, those after it, those that take the same tensor."""
    owners = {name: i for i, names in enumerate(nodes) for name in names}
    before: list[set[int]] = [set() for _ in nodes]
    after: list[set[int]] = [set() for _ in nodes]
    reach: dict[int, frozenset[int]] = {}
    takers: dict[int, set[int]] = {}
    for operation in side.graph.operations:
        given = frozenset().union(*(reach.get(i, frozenset()) for i in operation.inputs))
        held = {owners[name] for name in side.parameters(operation) if name in owners}
        for node in held:
            before[node] |= given - {node}
        for tensor in side.moving.intersection(operation.inputs):
            takers.setdefault(tensor, set()).update(node for node in held if node not in reach.get(tensor, ()))
        reach |= dict.fromkeys(operation.outputs, frozenset(held) or given)
    for node, others in enumerate(before):
        for other in others:
            after[other].add(node)
    beside: list[set[int]] = [set() for _ in nodes]
    for several in takers.values():
        for node in several:
            beside[node] |= several - {node}
    return before, after, beside


def matched_nodes(sides: Sequence[Near], kinds: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield a layer of each model that stand in one place, by as many neighbours as both have equally often."""
    rounds = [*colours([side[:-1] for side in sides], kinds), *colours(sides, kinds)]
    left = [set(range(len(kinds))), set(range(len(kinds)))]
    for both in reversed(rounds):
        groups: dict[int, tuple[list[int], list[int]]] = {}
        for side in (0, 1):
            for node in sorted(left[side]):
                groups.setdefault(both[side][node], ([], []))[side].append(node)
        for one, other in groups.values():
            if len(one) == len(other):
                kept = [node for node in one if node in other]  # of several that stand alike their order counts
                rest = [node for node in one if node not in kept], [node for node in other if node not in kept]
                yield from zip(kept, kept, strict=True)
                yield from zip(*rest, strict=True)
                left = [left[0] - set(one), left[1] - set(other)]


def colours(sides: Sequence[Near], kinds: Sequence[object]) -> Iterator[tuple[Colours, Colours]]:
    """Yield a number for each layer of both models: of its kind, then of that and of its neighbours, and so on."""
    numbers: dict[object, int] = {}
    now = tuple([numbers.setdefault(kind, len(numbers)) for kind in kinds] for _ in sides)
    for _ in range(ROUNDS):
        yield now[0], now[1]
        now = tuple(list(recoloured(own, side, numbers)) for own, side in zip(now, sides, strict=True))
    yield now[0], now[1]


def recoloured(own: Colours, side: Near, numbers: dict[object, int]) -> Iterator[int]:
    """Yield the next number of each layer of one model."""
    for node, colour in enumerate(own):
        key = colour, *(tuple(sorted({own[i] for i in near[node]})) for near in side)
        yield numbers.setdefault(key, len(numbers))
