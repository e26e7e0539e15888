"""Both models as they are compared: described, paired, given the same weights, and traced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ft.backend.description import Description, Parameter
from ft.parity.foreign.agreement import output_name, pair_outputs, require_alike, still
from ft.parity.foreign.calls import pair_calls
from ft.parity.foreign.pairing import NEUTRAL, Pair, Pairing, pair_parameters
from ft.parity.foreign.process import ModelProcess, ask
from ft.parity.foreign.sides import SIDES, file_of
from ft.parity.trace import Trace


@dataclass(frozen=True)
class Couple:
    """Two models that go together, under the names of the first one.

    outputs: the second one's name of an output -> the common one; source: the side whose weights both take; giver: see
    `find_giver`.
    """

    sides: Mapping[str, ModelProcess]
    models: Mapping[str, Description]
    pairing: Pairing
    outputs: Mapping[str, str]
    source: str
    giver: str

    @property
    def first(self) -> Description:
        """The model whose names both have."""
        return self.models[self.pairing.labels[0]]

    @property
    def dtype(self) -> str:
        """The type that both compute in."""
        return self.first.dtype

    @property
    def keys(self) -> dict[str, str]:
        """The common names of the calls of the second model."""
        one, other = self.models.values()
        mark = "keras" if self.pairing.labels == SIDES else self.pairing.labels[1]
        alone = {key: f"{key} ({mark})" for key in other.calls if key in one.calls}  # alike in name only
        return alone | pair_calls(one, other, self.pairing.pairs)

    def with_pairs(self, pairs: Sequence[Pair]) -> "Couple":
        """Return the two with other pairs of parameters."""
        return replace(self, pairing=replace(self.pairing, pairs=list(pairs)))

    def traces(self, folder: Path) -> tuple[Trace, Trace]:
        """Return the traces of both in a folder."""
        one, other = (Trace(folder / file_of(label)) for label in self.pairing.labels)
        return one, other

    def trace(self) -> dict[str, str]:
        """Have both models traced under the first one's names; return the names of their optimizers."""
        answers = ask(self.sides, {name: {**self.request(name), "do": "trace"} for name in self.sides})
        return {name: answer["optimizer"] for name, answer in answers.items()}

    def trace_moved(self) -> None:
        """Have the first model traced once more, from weights that are moved by one ulp."""
        name = self.pairing.labels[0]
        side = {name: self.sides[name]}
        describe(side, self.dtype, "", self.giver)  # built anew: it has been trained
        ask(side, {name: {**self.request(name, one_ulp=True), "do": "trace"}})

    def trace_exact(self) -> dict[str, list[list[str]]]:
        """Have models traced once more with derivatives that their framework rounds taken exactly.

        Returns these by side: function, place and what is rounded; a side without any is not traced.
        """
        rounded = ask(self.sides, {name: {"do": "rounded", "dtype": self.dtype} for name in self.sides})
        places = {name: answer["places"] for name, answer in rounded.items()}
        sides = {name: self.sides[name] for name, found in places.items() if found}
        if sides:
            describe(sides, self.dtype, "", self.giver, lead=self.pairing.labels[0])
            ask(sides, {name: {**self.request(name, exact=True), "do": "trace"} for name in sides})
        return places

    def rebuild(self) -> None:
        """Have both models built anew, as they were before they were trained."""
        describe(self.sides, self.dtype, self.source, self.giver)

    def require_steady(self) -> None:
        """Raise RecipeError where one of them is random in training: no two passes of it are alike."""
        ask(self.sides, {name: {"do": "steady", "dtype": self.dtype} for name in self.sides})

    def adopt(self) -> None:
        """Have both models take the common names and weights."""
        ask(self.sides, {name: {**self.request(name), "do": "adopt"} for name in self.sides})

    def request(self, name: str, *, one_ulp: bool = False, exact: bool = False) -> dict[str, Any]:
        """Return what one side is told. one_ulp: to move its weights; exact: see `trace_exact`."""
        pairs, labels = self.pairing.pairs, self.pairing.labels
        place, source = labels.index(name), labels.index(self.source)
        common = {own: output_name(given, self.first) for own, given in self.outputs.items()}
        return {
            "dtype": self.dtype,
            "source": {p.torch: p.of(source) for p in pairs},
            "shapes": {p.torch: p.shape for p in pairs},
            "outputs": {common[own]: self.first.gives[given] for own, given in self.outputs.items()},
            "loss": "own" if self.first.own_loss else "",
            "still": still(self.models, self.pairing),
            "one_ulp": one_ulp,
            "exact": exact,
            "names": self.names(place),
            "keys": self.keys if place else {},
            "own": {own if place else self.outputs[own]: common[own] for own in self.outputs},
            "neutral": {p.name: neutral_value(p) for p in self.pairing.neutral[place]},
        }

    def names(self, place: int) -> dict[str, str]:
        """Return the common names of the parameters of a side."""
        ties = {tie.name: tie.common for tie in self.pairing.ties if tie.side == place}
        return {p.of(place): p.torch for p in self.pairing.pairs} | ties


def coupled(
    sides: Mapping[str, ModelProcess], dtype: str, source: str, classes: int | None, given: Mapping[str, str]
) -> Couple:
    """Have both models described in a type that both can compute in, and pair them. given: see `read_map`."""
    giver, (one, other) = find_giver(sides), sides
    models = describe(sides, dtype, source, giver)
    used = dtype if {model.dtype for model in models.values()} == {dtype} else "float32"
    if used != dtype:  # the other one could do better: it starts again
        models = describe(sides, used, source, giver)
    require_alike(models, classes, used)
    pairing = pair_parameters(models[one], models[other], given, partial(uses, sides, used), (one, other))
    return Couple(sides, models, pairing, pair_outputs(models), source, giver)


def find_giver(sides: Mapping[str, ModelProcess]) -> str:
    """Return the side whose module alone has a function for the inputs, "both" where both have one, "" for neither."""
    answers = ask(sides, {name: {"do": "inputs"} for name in sides})
    having = [name for name, answer in answers.items() if answer.get("inputs")]
    return having[0] if len(having) == 1 else "both" if having else ""


def describe(
    sides: Mapping[str, ModelProcess], dtype: str, source: str, giver: str, lead: str = ""
) -> dict[str, Description]:
    """Have models built in a type and described; the weights of `source` are written. lead: else the first one."""
    lead = lead or next(iter(sides))
    told = {"do": "describe", "dtype": dtype, "inputs": giver}
    requests = {name: {**told, "save": name == source, "lead": name == lead} for name in sides}
    return {name: Description.from_dict(answer) for name, answer in ask(sides, requests).items()}


def uses(sides: Mapping[str, ModelProcess], dtype: str, side: int) -> dict[str, int]:
    """Return how often a model uses each of its parameters."""
    name = list(sides)[side]
    return ask({name: sides[name]}, {name: {"do": "uses", "dtype": dtype}})[name]


def neutral_value(parameter: Parameter) -> float:
    """Return the value of a parameter with which its layer does what it does without."""
    return NEUTRAL.get(parameter.leaf, 0.0)
