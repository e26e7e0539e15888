"""Both models as they are compared: described, paired, given the same weights, and traced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ft.backend.description import Description, Parameter
from ft.parity.foreign.agreement import output_name, pair_outputs, require_alike, still
from ft.parity.foreign.pairing import NEUTRAL, SIDES, Pairing, pair_calls, pair_parameters
from ft.parity.foreign.process import ModelProcess, ask


@dataclass(frozen=True)
class Couple:
    """Two models that go together.

    outputs: Keras's name of an output -> the common one; source: the side whose weights both take; giver: see
    `find_giver`.
    """

    sides: Mapping[str, ModelProcess]
    models: Mapping[str, Description]
    pairing: Pairing
    outputs: Mapping[str, str]
    source: str
    giver: str

    @property
    def dtype(self) -> str:
        """The type that both compute in."""
        return self.models["torch"].dtype

    @property
    def keys(self) -> dict[str, str]:
        """The common names of the calls of Keras's model."""
        torch, tf = self.models["torch"], self.models["tf"]
        alone = {key: f"{key} (keras)" for key in tf.calls if key in torch.calls}  # alike in name only
        return alone | pair_calls(torch, tf, self.pairing.pairs)

    def trace(self) -> dict[str, str]:
        """Have both models traced under PyTorch's names; return the names of their optimizers."""
        answers = ask(self.sides, {name: self.request(name) for name in self.sides})
        return {name: answer["optimizer"] for name, answer in answers.items()}

    def trace_moved(self) -> None:
        """Have the first model traced once more, from weights that are moved by one ulp."""
        name = SIDES[0]
        side = {name: self.sides[name]}
        describe(side, self.dtype, "", self.giver)  # built anew: it has been trained
        ask(side, {name: self.request(name, one_ulp=True)})

    def request(self, name: str, *, one_ulp: bool = False) -> dict[str, Any]:
        """Return what one side is asked for a trace. one_ulp: from moved weights."""
        torch, pairs = self.models["torch"], self.pairing.pairs
        common = {own: output_name(given, torch) for own, given in self.outputs.items()}
        return {
            "do": "trace",
            "dtype": self.dtype,
            "source": {p.torch: p.torch if self.source == "torch" else p.keras for p in pairs},
            "shapes": {p.torch: p.shape for p in pairs},
            "outputs": {common[own]: torch.gives[given] for own, given in self.outputs.items()},
            "loss": "own" if torch.own_loss else "",
            "still": still(self.models, self.pairing),
            "one_ulp": one_ulp,
            "names": {p.torch if name == "torch" else p.keras: p.torch for p in pairs},
            "keys": {} if name == "torch" else self.keys,
            "own": {self.outputs[own] if name == "torch" else own: common[own] for own in self.outputs},
            "neutral": {p.name: neutral_value(p) for p in self.pairing.neutral[SIDES.index(name)]},
        }


def coupled(
    sides: Mapping[str, ModelProcess], dtype: str, source: str, classes: int | None, given: Mapping[str, str]
) -> Couple:
    """Have both models described in a type that both can compute in, and pair them. given: see `read_map`."""
    giver = find_giver(sides)
    models = describe(sides, dtype, source, giver)
    used = dtype if {model.dtype for model in models.values()} == {dtype} else "float32"
    if used != dtype:  # the other one could do better: it starts again
        models = describe(sides, used, source, giver)
    require_alike(models, classes, used)
    outputs = pair_outputs(models)
    return Couple(sides, models, pair_parameters(models["torch"], models["tf"], given), outputs, source, giver)


def find_giver(sides: Mapping[str, ModelProcess]) -> str:
    """Return the side whose module alone has a function for the inputs, "both" where both have one, "" for neither."""
    answers = ask(sides, {name: {"do": "inputs"} for name in SIDES})
    having = [name for name, answer in answers.items() if answer.get("inputs")]
    return having[0] if len(having) == 1 else "both" if having else ""


def describe(sides: Mapping[str, ModelProcess], dtype: str, source: str, giver: str) -> dict[str, Description]:
    """Have models built in a type and described, and the weights of the side `source` written."""
    requests = {name: {"do": "describe", "dtype": dtype, "save": name == source, "inputs": giver} for name in sides}
    return {name: Description.from_dict(answer) for name, answer in ask(sides, requests).items()}


def neutral_value(parameter: Parameter) -> float:
    """Return the value of a parameter with which its layer does what it does without."""
    return NEUTRAL.get(parameter.leaf, 0.0)
