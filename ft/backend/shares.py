"""What two models share: the parts of each side's own weights that bear a common name, and how they lie there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ft.backend.forms import Form, applied, restored, whole_of


@dataclass(frozen=True)
class Shares:
    """parts: common name -> the own weight, and the form in which a part of it is the common one.

    ties: more weights of this side with a common name that has a part: the other side has one weight for all of them.
    """

    parts: dict[str, tuple[str, Form]] = field(default_factory=dict)
    ties: tuple[tuple[str, str, Form], ...] = ()

    @classmethod
    def of(
        cls,
        names: Mapping[str, str],
        forms: Mapping[str, tuple[str, Form]],
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> "Shares":
        """Return what is shared. names: own -> common; forms: own -> weight and form; shapes: of the common ones."""
        parts: dict[str, tuple[str, Form]] = {}
        ties = []
        for own, name in names.items():
            whole, piece = whole_of(own)
            weight, form = forms[whole]
            shape = (shapes or {}).get(name)
            form = (*form, *piece, *([("shape", *shape)] if shape else []))
            if name in parts:
                ties.append((name, weight, form))
            else:
                parts[name] = weight, form
        return cls(parts, tuple(ties))

    @property
    def weights(self) -> list[str]:
        """The own weights that have a part in it."""
        return list(
            dict.fromkeys([weight for weight, _ in self.parts.values()] + [weight for _, weight, _ in self.ties])
        )

    def total(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what adds up, such as gradients by weight, under the common names: the sum where several share one."""
        sums = self.common(own)
        for name, weight, form in self.ties:
            if weight in own:
                sums[name] = sums[name] + applied(own[weight], form)
        return sums

    def joined(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what adds up of the own weights that share a name, each with the sum: so a step moves them as one."""
        totals, tied, after = self.total(own), {name for name, _, _ in self.ties}, {}
        parts = [(name, *part) for name, part in self.parts.items() if name in tied]
        for name, weight, form in (*parts, *self.ties):
            if weight in own and name in totals:
                after[weight] = restored(after.get(weight, own[weight]), form, totals[name])
        return after

    def common(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return own arrays, such as weights, under the common names; one that lies as it should is no copy."""
        arrays = {name: applied(own[weight], form) for name, (weight, form) in self.parts.items() if weight in own}
        return {name: np.asarray(array, order="C") for name, array in arrays.items()}

    def common_slots(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what an optimizer keeps, `WEIGHT.SLOT`, under the common names."""
        slots: dict[str, np.ndarray] = {}
        for name, (weight, form) in self.parts.items():
            for slot in [key for key in own if key.rpartition(".")[0] == weight]:
                array = own[slot]
                key = f"{name}.{slot.rpartition('.')[2]}"
                slots[key] = np.array(applied(array, form) if array.ndim else array, order="C")
        return slots

    def own(self, common: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the own weights with the common arrays in their places."""
        after = {weight: before[weight] for weight in self.weights}
        for name, (weight, form) in self.parts.items():
            after[weight] = restored(after[weight], form, common[name])
        for name, weight, form in self.ties:
            after[weight] = restored(after[weight], form, common[name])
        return after
