"""Which parameters of two models belong together.

Names are trusted first. What they leave over is grouped by what it is (kind and shapes) and by what feeds it, and
paired within a group in the order of computation.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeVar

from ft.backend.description import OTHER, Description, Parameter
from ft.backend.forms import fits, squeezed
from ft.errors import RecipeError, WeightsError, listed, unknown
from ft.parity.foreign.sides import SIDES, framework_of

T = TypeVar("T")
MAP, NAME, ORDER, VALUES = "map", "name", "order", "values"  # the rules by which parameters are paired
Uses = Callable[[int], Mapping[str, int]]
BIASES = ("bias", "bias_ih", "bias_hh")
NEUTRAL = {**dict.fromkeys((*BIASES, "running_mean"), 0.0), "weight": 1.0, "running_var": 1.0}  # what changes nothing
KINDS_OF_NAMES = {"torch": "PyTorch parameter", "tf": "Keras variable"}
FAR = 4  # layers with parameters that one before the other tell a layer
MANY = 6  # parameters that are left over: beyond, they are counted by kind
PACKED = (2, 3, 4)  # how many weights a packed one may hold


@dataclass(frozen=True)
class Pair:
    """Two parameters that belong together. shape: in PyTorch's layout; rule: one of those above."""

    torch: str
    keras: str
    shape: tuple[int, ...]
    rule: str

    def of(self, side: int) -> str:
        """Return the name on one side, PyTorch's for 0."""
        return self.keras if side else self.torch


@dataclass(frozen=True)
class Tie:
    """A parameter that one side has beside another one, where the other side takes one weight for both.

    side: which; name: its own; other: that of the one beside it; common: PyTorch's name of that.
    """

    side: int
    name: str
    other: str
    common: str


@dataclass
class Pairing:
    """The pairs found so far, and what is left of each side, PyTorch's first.

    neutral: what only one side has and what takes the value there that changes nothing; layers: those with a pair;
    ties: what one side has twice; labels: what the sides are called; unused: the side and the name of what is neutral
    because no output depends on it.
    """

    left: tuple[list[Parameter], list[Parameter]]
    pairs: list[Pair] = field(default_factory=list)
    neutral: tuple[list[Parameter], list[Parameter]] = field(default_factory=lambda: ([], []))
    layers: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    ties: list[Tie] = field(default_factory=list)
    labels: tuple[str, str] = SIDES
    unused: set[tuple[int, str]] = field(default_factory=set)

    def add(self, torch: Parameter, keras: Parameter, rule: str) -> None:
        """Take two parameters off the lists and pair them."""
        for left, layers, parameter in zip(self.left, self.layers, (torch, keras), strict=True):
            left.remove(parameter)
            layers.add(parameter.layer)
        self.pairs.append(Pair(torch.name, keras.name, torch.shape, rule))


@dataclass(frozen=True)
class Unit:
    """Parameters that are paired as one: those of a layer, or a single one of a layer that is not the frameworks'.

    feeders: what the layers with parameters before it are; further: with those before them.
    """

    members: tuple[Parameter, ...]
    feeders: Hashable
    further: Hashable = None

    @property
    def signature(self) -> Hashable:
        """What it is: its kind, and the names and shapes of its parts. A convolution of one pixel is a linear layer."""
        kind = self.members[0].kind
        return self.family, tuple(("" if kind == OTHER else p.leaf, squeezed(p.shape)) for p in self.members)

    @property
    def exact(self) -> Hashable:
        """The same with all axes: a kernel of 1 x 3 is none of 3 x 1."""
        return self.signature, tuple(p.shape for p in self.members)

    @property
    def core(self) -> Hashable:
        """What it is without what it may lack: the kernel of a layer, the channels of a norm."""
        if self.members[0].kind == "norm":
            return "norm", squeezed(self.members[0].shape)
        return self.family, tuple((p.leaf, squeezed(p.shape)) for p in self.members if p.leaf not in BIASES)

    @property
    def flat(self) -> Hashable:
        """What it is where a convolution of the whole map is a linear layer."""
        kind = "linear" if self.family == "conv" else self.family
        return kind, tuple((p.leaf, flat_shape(p)) for p in self.members if p.leaf not in BIASES)

    @property
    def family(self) -> str:
        """The kind, where a convolution of one pixel counts as linear."""
        kind = self.members[0].kind
        pixel = kind == "conv" and all(set(p.shape[2:]) <= {1} for p in self.members)
        return "linear" if pixel else kind


def pair_parameters(
    torch: Description,
    tf: Description,
    given: Mapping[str, str],
    uses: Uses | None = None,
    labels: tuple[str, str] = SIDES,
) -> Pairing:
    """Pair the parameters of two models; given: PyTorch's name -> Keras's path, the user's own corrections.

    uses: returns how often a side's parameters are used in a pass, asked where some are left over.

    Raises WeightsError that lists what is left over, RecipeError for a correction that cannot be.
    """
    pairing = Pairing((list(torch.parameters), list(tf.parameters)), labels=labels)
    for names in given.items():
        pair_given(pairing, *names)
    by_name = [p for p in pairing.left[1] if p.layer not in tf.automatic]
    for a, b in list(matched(pairing.left[0], by_name, lambda p: (plain(f"{p.layer}.{p.leaf}"), squeezed(p.shape)))):
        pairing.add(a, b, NAME)
    sides = torch, tf
    split_packed(pairing, sides)
    pair_by_order(pairing, sides)
    if uses is not None and take_unused(pairing, uses):
        pair_by_order(pairing, sides)
    if uses is not None:
        take_ties(pairing, uses)
    take_neutral(pairing)
    require_all(pairing)
    order = {p.name: i for i, p in enumerate(torch.parameters)}
    pairing.pairs.sort(key=lambda pair: order[plain_name(pair.torch)])
    return pairing


def pair_by_order(pairing: Pairing, sides: tuple[Description, Description]) -> None:
    """Pair what is left by what it is and where it stands.

    That is where both have the same number of layers of a kind after the same layers, then of a kind at all; else the
    first ones.
    """
    pair_units(pairing, sides, lambda unit: (unit.exact, unit.further), whole=True)
    pair_units(pairing, sides, lambda unit: (unit.signature, unit.further), whole=True)
    pair_units(pairing, sides, lambda unit: (unit.exact, unit.feeders), whole=True)
    pair_units(pairing, sides, lambda unit: (unit.signature, unit.feeders), whole=True)
    pair_units(pairing, sides, lambda unit: unit.exact, whole=True)
    pair_units(pairing, sides, lambda unit: unit.signature, whole=False)
    pair_units(pairing, sides, lambda unit: (unit.core, unit.further), whole=True)
    pair_units(pairing, sides, lambda unit: (unit.core, unit.feeders), whole=True)
    pair_units(pairing, sides, lambda unit: unit.core, whole=False)
    pair_units(pairing, sides, lambda unit: unit.flat, whole=True, part=flat_shape)
    for a, b in list(matched(*pairing.left, lambda p: (squeezed(p.shape), p.trained), whole=True)):
        if OTHER in (a.kind, b.kind) or a.own or b.own:  # one side's layer is the user's own
            pairing.add(a, b, ORDER)


def pair_given(pairing: Pairing, torch: str, keras: str) -> None:
    """Pair two parameters as the user says."""
    sides = [{p.name: p for p in left} for left in pairing.left]
    kinds = [KINDS_OF_NAMES[framework_of(label)] for label in pairing.labels]
    for side, name, kind in zip(sides, (torch, keras), kinds, strict=True):
        if name not in side:
            raise RecipeError(f"map: {unknown(kind, name, side)}; a line is `torch name: keras path`, each name once")
    a, b = sides[0][torch], sides[1][keras]
    if not fits(a.shape, b.shape):
        raise RecipeError(f"map: {torch} is {a.shape}, {keras} is {b.shape} in PyTorch's layout; they must be equal")
    pairing.add(a, b, MAP)


def pair_units(
    pairing: Pairing,
    sides: tuple[Description, Description],
    key: Callable[[Unit], Hashable],
    *,
    whole: bool,
    part: Callable[[Parameter], Hashable] = lambda p: squeezed(p.shape),
) -> None:
    """Pair what is left, layer by layer. part: what two parameters of two layers must have alike beside their names."""
    a, b = (units(left, side) for left, side in zip(pairing.left, sides, strict=True))
    for pair in list(matched(a, b, key, whole=whole)):
        for x, y in list(matched(pair[0].members, pair[1].members, lambda p: (leaf_of(p), part(p)))):
            pairing.add(x, y, ORDER)


def flat_shape(parameter: Parameter) -> tuple[int, int]:
    """Return how many outputs a parameter has, and how many inputs in all."""
    outputs, *inputs = parameter.shape or (1,)
    return outputs, prod(inputs)


def leaf_of(parameter: Parameter) -> str:
    """Return the name of a parameter in its layer, "" where that says nothing."""
    return "" if parameter.kind == OTHER else parameter.leaf


def split_packed(pairing: Pairing, sides: tuple[Description, Description]) -> None:
    """Take a linear layer apart that does what several of the other side do, such as a packed query, key and value."""
    for one, other in ((0, 1), (1, 0)):
        for unit in linear_units(pairing.left[one], sides[one]):
            parts = linear_units(pairing.left[other], sides[other])
            if unit.signature in {part.signature for part in parts}:
                continue
            runs = (parts[i : i + count] for count in PACKED for i in range(len(parts) - count + 1))
            if run := next((run for run in runs if holds(unit, run)), None):
                for p in unit.members:
                    place = pairing.left[one].index(p)
                    pairing.left[one][place : place + 1] = pieces(p, [rows_of(part) for part in run])


def linear_units(left: Sequence[Parameter], side: Description) -> list[Unit]:
    """Return the linear layers among what is left."""
    return [
        unit for unit in units(left, side) if unit.family == "linear" and any(p.leaf == "weight" for p in unit.members)
    ]


def rows_of(unit: Unit) -> int:
    """Return how many outputs a linear layer has."""
    return next(p.shape[0] for p in unit.members if p.leaf == "weight")


def holds(unit: Unit, run: Sequence[Unit]) -> bool:
    """Tell whether a linear layer has the rows and the parts of several ones."""
    leaves = {tuple((p.leaf, squeezed(p.shape[1:])) for p in part.members) for part in (unit, *run)}
    beside = len({part.feeders for part in run}) == 1 or len({layer_of(part.members[0].layer) for part in run}) == 1
    return len(leaves) == 1 and beside and rows_of(unit) == sum(map(rows_of, run))


def pieces(parameter: Parameter, rows: Sequence[int]) -> Iterator[Parameter]:
    """Yield a parameter in pieces along its first axis, called NAME[a:b]."""
    start = 0
    for i, count in enumerate(rows):
        name, layer = f"{parameter.name}[{start}:{start + count}]", f"{parameter.layer}[{i}]"
        yield replace(parameter, name=name, layer=layer, shape=(count, *parameter.shape[1:]))
        start += count


def plain_name(name: str) -> str:
    """Return the name of the whole parameter that a piece is of."""
    return name.partition("[")[0]


def take_ties(pairing: Pairing, uses: Uses) -> None:
    """Set aside what one side has beside another parameter of its shape, where the other side uses one for both."""
    for side, left in enumerate(pairing.left):
        waiting = [p for p in left if (p.kind != OTHER or p.trained) and not may_lack(pairing, side, p)]
        counts = uses(1 - side) if waiting else {}
        room = {pair: counts.get(plain_name(pair.of(1 - side)).partition("#")[0], 1) - 1 for pair in pairing.pairs}
        partner: dict[str, str] = {}  # layer that is left over -> layer beside it
        for p in waiting:
            fitting = [q for q, free in room.items() if free > 0 and squeezed(q.shape) == squeezed(p.shape)]
            near = [q for q in fitting if partner.get(p.layer) == layer_of(q.of(side))]
            if beside := next(iter(near or fitting), None):
                room[beside] -= 1
                partner[p.layer] = layer_of(beside.of(side))
                left.remove(p)
                pairing.ties.append(Tie(side, p.name, beside.of(side), beside.torch))


def layer_of(name: str) -> str:
    """Return a parameter's name without the part that says which of its layer's it is."""
    return re.sub(r"[./][^./]*$", "", name)


def take_unused(pairing: Pairing, uses: Uses) -> bool:
    """Set aside what one side has alone, and none of its outputs depends on; tell whether anything was."""
    for side, left in enumerate(pairing.left):
        waiting = [p for p in left if not p.optional]
        counts = uses(side) if waiting else {}
        for p in waiting:
            if not counts.get(plain_name(p.name).partition("#")[0]):
                left.remove(p)
                pairing.neutral[side].append(p)
                pairing.unused.add((side, p.name))
    return bool(pairing.unused)


def take_neutral(pairing: Pairing) -> None:
    """Set aside what one side may have alone: a bias of a layer that both have, the numbers of a norm."""
    for side, (left, neutral) in enumerate(zip(pairing.left, pairing.neutral, strict=True)):
        for p in list(left):
            if p.kind == "norm" or may_lack(pairing, side, p):
                left.remove(p)
                neutral.append(p)


def may_lack(pairing: Pairing, side: int, p: Parameter) -> bool:
    """Tell what a layer has that the other side's layer may go without: a bias, a norm's scale."""
    return (p.kind == "norm" or p.leaf in BIASES) and p.layer in pairing.layers[side]


def units(left: Sequence[Parameter], side: Description) -> list[Unit]:
    """Return parameters as units, in the order in which their layers are first called, those never called last."""
    members: dict[str, list[Parameter]] = defaultdict(list)
    for p in left:
        members[p.name if p.kind == OTHER else p.layer].append(p)
    feeding, further = feeders(side), feeders(side, depth=FAR)
    place = {path: i for i, path in enumerate(feeding)}
    parts = sorted(members.values(), key=lambda ps: place_of(ps[0].layer, place))
    layers = [plain_name(ps[0].layer) for ps in parts]
    return [
        Unit(tuple(sorted(ps, key=lambda p: p.leaf)), feeding.get(layer), further.get(layer))
        for ps, layer in zip(parts, layers, strict=True)
    ]


def place_of(layer: str, place: Mapping[str, int]) -> int:
    """Return when a layer is called, or the one that it is a part of; those never called come last."""
    layer = plain_name(layer)
    while layer and layer not in place:
        layer = layer.rpartition(".")[0]
    return place.get(layer, len(place))


def feeders(side: Description, *, depth: int = 1) -> dict[str, Hashable]:
    """Return, by layer in the order of first calls, kinds and shapes of the layers with parameters that feed it.

    depth: how many of these one after the other. What one side may have alone, such as a bias, does not count.
    """
    own: dict[str, frozenset] = defaultdict(frozenset)
    for p in side.parameters:
        if p.leaf not in BIASES:
            own[p.layer] |= {(p.kind, squeezed(p.shape))}
    above: dict[str, list[frozenset]] = {}  # by depth
    feeding: dict[str, Hashable] = {}
    for key, call in side.calls.items():
        sources = [frozenset().union(*(above[s][d] for s in call.inputs if s in above)) for d in range(depth + 1)]
        feeding.setdefault(call.path, sources[depth])
        holds = call.path in own
        nearer = [frozenset(), *(frozenset({(own[call.path], sources[d])}) for d in range(depth))] if holds else sources
        above[key] = nearer
    return feeding


def require_all(pairing: Pairing) -> None:
    """Raise WeightsError that lists what is left over on each side, and counts it by kind where it is much."""
    sides = [[p for p in left if not p.optional] for left in pairing.left]
    if any(sides):
        sides = [[*left, *neutral] for left, neutral in zip(sides, pairing.neutral, strict=True)]
        over = " and ".join(f"{in_words(left)} in {who}" for who, left in zip(pairing.labels, sides, strict=True))
        raise WeightsError(
            f"the models' parameters cannot be paired: left over {over} (shapes in PyTorch's layout); where only names "
            "and order confuse, --map FILE corrects it with lines `torch name: keras path`"
        )


def in_words(parameters: Sequence[Parameter]) -> str:
    """Return parameters in words: the first ones, and how many there are of a kind where there are many."""
    names = listed(f"{p.name} {p.shape}" for p in parameters) or "nothing"
    return f"{names} (in all {kinds_in_words(parameters)})" if len(parameters) > MANY else names


def kinds_in_words(parameters: Iterable[Parameter]) -> str:
    """Return how many parameters there are of each kind."""
    counts = Counter(f"{p.kind} {p.leaf}" for p in parameters)
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def matched(
    left: Iterable[T], right: Iterable[T], key: Callable[[T], Hashable], *, whole: bool = False
) -> Iterator[tuple[T, T]]:
    """Yield the k-th of `left` with the k-th of `right` that has the same key; whole: only as many as each other."""
    groups: dict[Hashable, tuple[list[T], list[T]]] = defaultdict(lambda: ([], []))
    for side, items in enumerate((left, right)):
        for item in items:
            groups[key(item)][side].append(item)
    for a, b in groups.values():
        if not whole or len(a) == len(b):
            yield from zip(a, b, strict=False)


def plain(name: str) -> str:
    """Return a name with one separator: `layer1/0/conv1`, `layer1_0_conv1` and `layer1.0.conv1` are one."""
    return re.sub(r"[/_.-]+", ".", name)
