"""What both models are told of one another: common names of parameters, calls and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ft.backend.description import Description, Parameter
from ft.parity.foreign.agreement import output_name, still
from ft.parity.foreign.pairing import NEUTRAL, SIDES, Pair, Pairing, pair_calls


@dataclass(frozen=True)
class Common:
    """Names in common, PyTorch's. outputs: Keras's name of each -> the common one; source: whose weights both take."""

    models: Mapping[str, Description]
    pairing: Pairing
    outputs: Mapping[str, str]
    source: str

    def with_pairs(self, pairs: Sequence[Pair]) -> "Common":
        """Return this with other pairs of parameters."""
        return replace(self, pairing=replace(self.pairing, pairs=list(pairs)))

    def request(self, side: str, *, one_ulp: bool = False) -> dict[str, Any]:
        """Return what a side is told. one_ulp: to move its weights."""
        torch, names = self.models["torch"], self.names()
        neutral = dict(zip(SIDES, self.pairing.neutral, strict=True))[side]
        return {
            "dtype": torch.dtype,
            "source": {p.torch: p.of(SIDES.index(self.source)) for p in self.pairing.pairs},
            "shapes": {p.torch: p.shape for p in self.pairing.pairs},
            "outputs": {output_name(name, torch): torch.gives[name] for name in self.outputs.values()},
            "loss": "own" if torch.own_loss else "",
            "still": still(self.models, self.pairing),
            "one_ulp": one_ulp,
            "names": names[side],
            "keys": self.keys() if side == "tf" else {},
            "own": {own: output_name(name, torch) for own, name in self.own_outputs(side)},
            "neutral": {p.name: neutral_value(p) for p in neutral},
        }

    def names(self) -> dict[str, dict[str, str]]:
        """Return by side the common names of its parameters."""
        found = []
        for side in range(len(SIDES)):
            ties = {tie.name: tie.common for tie in self.pairing.ties if tie.side == side}
            found.append({p.of(side): p.torch for p in self.pairing.pairs} | ties)
        return dict(zip(SIDES, found, strict=True))

    def keys(self) -> dict[str, str]:
        """Return the common keys of the calls of Keras's."""
        torch, tf = self.models["torch"], self.models["tf"]
        alone = {key: f"{key} (keras)" for key in tf.calls if key in torch.calls}  # alike in name only
        return alone | pair_calls(torch, tf, self.pairing.pairs)

    def own_outputs(self, side: str) -> list[tuple[str, str]]:
        """Return the outputs of a side, each with PyTorch's name of it."""
        return [(name, name) for name in self.outputs.values()] if side == "torch" else list(self.outputs.items())


def neutral_value(parameter: Parameter) -> float:
    """Return the value of a parameter with which its layer does what it does without."""
    return NEUTRAL.get(parameter.leaf, 0.0)
