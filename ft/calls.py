"""What a wing saw while a model ran: the output of every layer call, by name, in the order of computation.

Both wings name alike: a layer's call bears its module path, the k-th call of one layer `path#k` for k > 1, and an
operation without a module the path of the module that does it and a word for it, such as `layer1.0.add`. A module that
runs none of its own children (torch's attention calls functions on their weights) counts as one layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SETTINGS = (
    *("eps", "epsilon", "momentum", "p", "rate", "approximate", "negative_slope", "max_value", "training"),
    *("stride", "strides", "padding", "dilation", "dilation_rate", "groups", "kernel_size", "ceil_mode"),
)


@dataclass(frozen=True)
class Call:
    """One call of a layer: its kind, such as "conv", its settings as the framework calls them, and where its inputs
    come from: keys of other calls, or "" for an array that no recorded call gave.
    """

    kind: str
    path: str
    inputs: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Calls:
    """The calls of one pass, by key; `arrays` holds outputs, and as `KEY<i` the i-th input where no call gave it."""

    calls: dict[str, Call] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def add(
        self, path: str, output: np.ndarray, *, kind: str, inputs: Sequence[str], settings: dict[str, Any] | None = None
    ) -> str:
        """Record a call and return its key: `path`, or `path#k` for the k-th call of the same layer."""
        key, count = path, 1
        while key in self.calls:
            count += 1
            key = f"{path}#{count}"
        self.calls[key] = Call(kind, path, tuple(inputs), settings or {})
        self.arrays[key] = output
        return key

    def forget(self, count: int) -> None:
        """Drop what was recorded after the first `count` calls: it happened inside of one layer."""
        for key in list(self.calls)[count:]:
            del self.calls[key]
            for name in [name for name in self.arrays if name == key or name.startswith(f"{key}<")]:
                del self.arrays[name]


def plain_settings(layer: object) -> dict[str, Any]:
    """Return those attributes of a layer that decide what it computes, as plain numbers, words and lists."""
    settings = {}
    for name in SETTINGS:
        value = getattr(layer, name, None)
        if isinstance(value, (tuple, list)):
            value = list(value)
        if isinstance(value, (bool, int, float, str, list)):
            settings[name] = value
    return settings
