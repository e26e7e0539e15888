"""What both models are told of one another: common names of parameters, calls and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ft.backend.description import Description, Parameter
from ft.parity.foreign.agreement import output_name, still
from ft.parity.foreign.pairing import NEUTRAL, Pair, Pairing, pair_calls
from ft.parity.foreign.sides import SIDES


@dataclass(frozen=True)
class Common:
    """Names in common, the first side's. outputs: those of the second -> the common ones; source: who gives weights."""

    models: Mapping[str, Description]
    pairing: Pairing
    outputs: Mapping[str, str]
    source: str

    def with_pairs(self, pairs: Sequence[Pair]) -> "Common":
        """Return this with other pairs of parameters."""
        return replace(self, pairing=replace(self.pairing, pairs=list(pairs)))

    def request(self, side: str, *, one_ulp: bool = False) -> dict[str, Any]:
        """Return what a side is told. one_ulp: to move its weights."""
        torch, names = next(iter(self.models.values())), self.names()
        place = self.pairing.labels.index(side)
        return {
            "dtype": torch.dtype,
            "source": {p.torch: p.of(self.pairing.labels.index(self.source)) for p in self.pairing.pairs},
            "shapes": {p.torch: p.shape for p in self.pairing.pairs},
            "outputs": {output_name(name, torch): torch.gives[name] for name in self.outputs.values()},
            "loss": "own" if torch.own_loss else "",
            "still": still(self.models, self.pairing),
            "one_ulp": one_ulp,
            "names": names[side],
            "keys": self.keys() if place else {},
            "own": {own: output_name(name, torch) for own, name in self.own_outputs(place)},
            "neutral": {p.name: neutral_value(p) for p in self.pairing.neutral[place]},
        }

    def names(self) -> dict[str, dict[str, str]]:
        """Return by side the common names of its parameters."""
        found = []
        for side in range(len(self.pairing.labels)):
            ties = {tie.name: tie.common for tie in self.pairing.ties if tie.side == side}
            found.append({p.of(side): p.torch for p in self.pairing.pairs} | ties)
        return dict(zip(self.pairing.labels, found, strict=True))

    def keys(self) -> dict[str, str]:
        """Return the common keys of the calls of the second model."""
        torch, tf = self.models.values()
        mark = "keras" if self.pairing.labels == SIDES else self.pairing.labels[1]
        alone = {key: f"{key} ({mark})" for key in tf.calls if key in torch.calls}  # alike in name only
        return alone | pair_calls(torch, tf, self.pairing.pairs)

    def own_outputs(self, place: int) -> list[tuple[str, str]]:
        """Return the outputs of a side, each with the first one's name of it."""
        return list(self.outputs.items()) if place else [(name, name) for name in self.outputs.values()]


def neutral_value(parameter: Parameter) -> float:
    """Return the value of a parameter with which its layer does what it does without."""
    return NEUTRAL.get(parameter.leaf, 0.0)
