"""Parameters that may stand for one another: which of them belong together is found by what makes two models agree.

Names and order leave open which is which of several alike, such as query, key and value that were made in another
order. What an operation takes tells some of them. Among those that take the same, other orders are tried, where the two
models part first, and one is taken where more of the operations with parameters agree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

from ft.backend.description import Description
from ft.backend.forms import squeezed
from ft.parity.foreign.naming import leaf_in_torch, leaf_name, unit_of
from ft.parity.foreign.pairing import ORDER, VALUES, Pair
from ft.parity.foreign.states import Side, State
from ft.parity.foreign.structure import by_structure
from ft.parity.foreign.values import apart, same_order

TRIES = 60  # assignments that are tried at most
VAIN = 12  # of these, how many in a row without a better one
EVERY = 4  # members up to which all orders are tried; of more, two are exchanged
NEAR = 2  # groups that are tried, those before where the two part
ROUNDS = 3  # passes in which what takes something else is paired anew

Pairs = tuple[Pair, ...]
Record = Callable[[Sequence[Pair]], State]


@dataclass(frozen=True)
class Member:
    """Pairs that are exchanged as one, those of a layer: where they first meet the input, and what they meet there."""

    pairs: Pairs
    signature: tuple[tuple[str, tuple[int, ...]], ...]
    number: int
    given: frozenset[int]
    theirs: frozenset[int]

    def fits(self, other: "Member", state: State) -> bool:
        """Tell whether this one's first half takes what the other one's second half takes."""
        return any(i in other.theirs for own in self.given for i in state.same.get(own, ()))

    def values(self, state: State) -> frozenset[int]:
        """Return what this one takes, by what the other side has of the same values."""
        return frozenset(min(state.same[own]) for own in self.given if own in state.same)


@dataclass(frozen=True)
class Settled:
    """The pairs after all, how many other assignments were tried, and whether the results agree with these."""

    pairs: Pairs
    tried: int = 0
    agrees: bool = False
    changed: bool = False


def settled(record: Record, pairs: Sequence[Pair], *models: Description) -> Settled:
    """Return the pairs with which most agrees. record: a pass of both models with some pairs."""
    if not is_open(pairs, models):
        return Settled(tuple(pairs))
    trial = Trial(record, models)
    now, state = tuple(pairs), record(pairs)
    best, vain, after = trial.score(state), 0, ()
    if (standing := by_structure(now, state, models)) != now:
        pass_after = trial.run(standing)
        if trial.score(pass_after) > best:
            now, state, best = standing, pass_after, trial.score(pass_after)
    waiting = trial.others(now, state, after)
    while trial.tried < TRIES and vain < VAIN and not best[0]:
        order = next(waiting, None)
        if order is None:
            break
        pairs_after, pass_after = trial.followed(order(now))
        score = trial.score(pass_after)
        vain += 1
        if score > best:
            now, state, best, vain, after = pairs_after, pass_after, score, 0, order.places
            waiting = trial.others(now, state, after)
    return Settled(now, trial.tried, best[0], now != tuple(pairs))


@dataclass(frozen=True)
class Order:
    """Other members' second halves for some members. places: whose, by the place of each among them."""

    groups: tuple[tuple[Member, ...], ...]
    places: tuple[int, ...]

    def __call__(self, pairs: Pairs) -> Pairs:
        new = dict(p for group in self.groups for p in exchanged(group, self.places))
        return tuple(new.get(pair, pair) for pair in pairs)


def exchanged(group: Sequence[Member], places: Sequence[int]) -> Iterator[tuple[Pair, Pair]]:
    """Yield pairs, each with what it becomes."""
    for member, place in zip(group, places, strict=True):
        for own, other in zip(member.pairs, group[place].pairs, strict=True):
            yield own, replace(own, keras=other.keras, rule=own.rule if own.keras == other.keras else VALUES)


class Trial:
    """Tries assignments, and counts them."""

    def __init__(self, record: Record, models: Sequence[Description]) -> None:
        self.record, self.models, self.tried = record, models, 0

    def score(self, state: State) -> tuple[bool, int, int]:
        """Return whether the results agree, how many of them, and how many operations with parameters do."""
        fine = sum(agrees(state, number) for number, _ in state.torch.meeting)
        return not state.other_results, -len(state.other_results), fine

    def followed(self, pairs: Pairs) -> tuple[Pairs, State]:
        """Return pairs and their pass after what comes later is paired anew, by what it takes."""
        state = self.run(pairs)
        for _ in range(ROUNDS):
            again = self.by_what_they_take(pairs, state)
            if again == pairs:
                break
            pairs, state = again, self.run(again)
        return pairs, state

    def run(self, pairs: Pairs) -> State:
        """Return a pass."""
        self.tried += 1
        return self.record(pairs)

    def by_what_they_take(self, pairs: Pairs, state: State) -> Pairs:
        """Return pairs in which members that do not take the same have found others that do."""
        new: dict[Pair, Pair] = {}
        for group in alike(members(pairs, self.models, state)):
            loose = [m for m in group if not m.fits(m, state)]
            places = matched(loose, state)
            new |= dict(exchanged(loose, places))
        return tuple(new.get(pair, pair) for pair in pairs)

    def others(self, pairs: Pairs, state: State, last: Sequence[int]) -> Iterator[Order]:
        """Yield other assignments, the likeliest first. last: the order that was right before."""
        all_members = members(pairs, self.models, state)
        loose = [m for group in alike(all_members) for m in group if not m.fits(m, state)]
        for group in alike(loose):
            places = matched(group, state)
            if places != list(range(len(group))):
                yield Order((tuple(group),), tuple(places))
        lost = next((n for n, _ in state.torch.meeting if not agrees(state, n)), len(state.torch.graph.operations))
        groups = [tuple(group) for group in siblings(all_members, state)]
        before = [group for group in groups if max(m.number for m in group) < lost]
        for group in sorted(before, key=lambda group: -max(m.number for m in group))[:NEAR]:
            told = [tuple(last)] if len(last) == len(group) else []
            yield from (Order((group,), places) for places in dict.fromkeys([*told, *orders(len(group))]))


def orders(count: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of so many members but the first, exchanges of two before others."""
    plain = tuple(range(count))
    for i, j in combinations(plain, 2):
        yield tuple({i: j, j: i}.get(k, k) for k in plain)
    if len(plain) <= EVERY:
        changed = {order: sum(a != b for a, b in zip(order, plain, strict=True)) for order in permutations(plain)}
        yield from (order for order, count in changed.items() if count > 2)


def agrees(state: State, number: int) -> bool:
    """Tell whether the other side has what an operation gives, in the same order."""
    output = state.torch.graph.operations[number].outputs[0]
    x, close = state.torch.graph.arrays[output], state.table.close
    others = (state.tf.graph.arrays[i] for i in state.same.get(output, ()))
    return any(same_order(y, x, close) or apart(y.reshape(x.shape), x) <= close for y in others)


def matched(group: Sequence[Member], state: State) -> list[int]:
    """Return for each member the place of one whose second half takes what it takes, its own where there is none."""
    free, places = list(range(len(group))), {}
    for i, member in enumerate(group):
        place = next((j for j in free if member.fits(group[j], state)), None)
        if place is not None:
            places[i] = place
            free.remove(place)
    rest = iter(sorted(free, key=lambda j: j in places))
    open_ones = [i for i in range(len(group)) if i not in places]
    own = [i for i in open_ones if i in free]
    left = [j for j in rest if j not in own]
    return [places[i] if i in places else i if i in own else left.pop(0) for i in range(len(group))]


def members(pairs: Sequence[Pair], models: Sequence[Description], state: State) -> list[Member]:
    """Return what may be exchanged, in the order in which it meets the input."""
    sides = state.torch, state.tf
    places = [first_places(side) for side in sides]
    exchangeable = []
    for unit in units(pairs, models):
        names = [p.torch for p in unit], [p.keras for p in unit]
        numbers = [first_of(*both) for both in zip(places, names, strict=True)]
        taken = [
            side.moving.intersection(side.graph.operations[number].inputs)
            for side, number in zip(sides, numbers, strict=True)
            if number is not None
        ]
        if numbers[0] is not None and len(taken) == len(sides):
            exchangeable.append(Member(tuple(unit), signature(unit), numbers[0], *map(frozenset, taken)))
    return sorted(exchangeable, key=lambda member: member.number)


def first_of(places: Mapping[str, int], names: Sequence[str]) -> int | None:
    """Return where the first of some parameters meets the input, None where none does."""
    return min((places[leaf] for name in names if (leaf := leaf_name(name)) in places), default=None)


def first_places(side: Side) -> dict[str, int]:
    """Return the first operation in which each parameter meets the input."""
    places: dict[str, int] = {}
    for number, names in side.meeting:
        for name in names:
            places.setdefault(name, number)
    return places


def units(pairs: Sequence[Pair], models: Sequence[Description]) -> list[list[Pair]]:
    """Return the pairs that only their order has made, those of two layers together, in the order of their leaves."""
    parts = [{p.name: p for p in model.parameters} for model in models]
    by_layer: dict[object, list[Pair]] = {}
    for pair in pairs:
        if pair.rule in (ORDER, VALUES):
            key = tuple(unit_of(name, part) for name, part in zip((pair.torch, pair.keras), parts, strict=True))
            by_layer.setdefault(key, []).append(pair)
    return [sorted(unit, key=leaf_in_torch) for unit in by_layer.values()]


def signature(unit: Sequence[Pair]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what members must have alike to be exchanged."""
    return tuple((leaf_in_torch(pair) if len(unit) > 1 else "", squeezed(pair.shape)) for pair in unit)


def is_open(pairs: Sequence[Pair], models: Sequence[Description]) -> bool:
    """Tell whether anything may be exchanged at all."""
    kinds = [signature(unit) for unit in units(pairs, models)]
    return len(set(kinds)) < len(kinds)


def alike(several: Sequence[Member]) -> list[list[Member]]:
    """Return the members that may be exchanged with one another, two at least."""
    return grouped(several, lambda member: member.signature)


def siblings(several: Sequence[Member], state: State) -> list[list[Member]]:
    """Return those that take the same values, in both models: only what comes of them tells which is which."""
    sure = [member for member in several if member.fits(member, state)]
    return grouped(sure, lambda member: (member.signature, member.values(state)))


def grouped(several: Sequence[Member], key: Callable[[Member], object]) -> list[list[Member]]:
    """Return groups of at least two members with one key."""
    groups: dict[object, list[Member]] = {}
    for member in several:
        groups.setdefault(key(member), []).append(member)
    return [group for group in groups.values() if len(group) > 1]
