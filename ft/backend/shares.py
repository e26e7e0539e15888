"""What two models share: the parts of each side's own weights that bear a common name, and how they lie there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ft.backend.forms import Form, applied, restored, whole_of


@dataclass(frozen=True)
class Shares:
    """parts: common name -> the own weight, and the form in which a part of it is the common one."""

    parts: dict[str, tuple[str, Form]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        names: Mapping[str, str],
        forms: Mapping[str, tuple[str, Form]],
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> "Shares":
        """Return what is shared. names: own -> common; forms: own -> weight and form; shapes: of the common ones."""
        parts = {}
        for own, name in names.items():
            whole, piece = whole_of(own)
            weight, form = forms[whole]
            shape = (shapes or {}).get(name)
            parts[name] = weight, (*form, *piece, *([("shape", *shape)] if shape else []))
        return cls(parts)

    @property
    def weights(self) -> list[str]:
        """The own weights that have a part in it."""
        return list(dict.fromkeys(weight for weight, _ in self.parts.values()))

    def common(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return own arrays, such as gradients by weight, under the common names."""
        arrays = {name: applied(own[weight], form) for name, (weight, form) in self.parts.items() if weight in own}
        return {name: np.array(array, order="C") for name, array in arrays.items()}

    def common_slots(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what an optimizer keeps, `WEIGHT.SLOT`, under the common names."""
        slots: dict[str, np.ndarray] = {}
        for name, (weight, form) in self.parts.items():
            for slot in [key for key in own if key.rpartition(".")[0] == weight]:
                array, leaf = own[slot], slot.rpartition(".")[2]
                slots[f"{name}.{leaf}"] = np.array(applied(array, form) if array.ndim else array, order="C")
        return slots

    def own(self, common: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the own weights with the common arrays in their places."""
        after = {weight: before[weight] for weight in self.weights}
        for name, (weight, form) in self.parts.items():
            after[weight] = restored(after[weight], form, common[name])
        return after
