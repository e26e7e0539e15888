"""What a wing saw while a model ran: the output of every layer call, by name, in the order of computation.

Both wings name alike: a layer's call bears its module path, the k-th call of one layer `path#k` for k > 1, and an
operation without a module the path of the module that does it and a word for it, such as `layer1.0.add`. A module that
runs none of its own children (torch's attention calls functions on their weights) counts as one layer.

An array's axes are a letter each, in the order in which they lie, said by the wing that recorded it: N samples,
C channels, H, W and D the sides of a map, T tokens, G groups of tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any

import numpy as np

PLACES = {2: "", 3: "T", 4: "HW", 5: "DHW"}  # rank -> the axes beside samples and channels
SETTINGS = (
    *("eps", "epsilon", "momentum", "p", "rate", "approximate", "negative_slope", "max_value", "training"),
    *("stride", "strides", "padding", "dilation", "dilation_rate", "groups", "kernel_size", "ceil_mode"),
)


@dataclass(frozen=True)
class Call:
    """One call of a layer: its kind, such as "conv", its settings as the framework calls them, and where its inputs
    come from: keys of other calls, or "" for an array that no recorded call gave.

    axes: those of the output, such as "NCHW"; input_axes: those of each input. "" in a trace that does not say them.
    """

    kind: str
    path: str
    inputs: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    axes: str = ""
    input_axes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Call":
        """Build it from what JSON made of `asdict`."""
        lists = {key: tuple(values.get(key, ())) for key in ("inputs", "input_axes")}
        return cls(**{**values, **lists})


@dataclass
class Given:
    """Of each input of a call: the call that gave it, else "" and a copy; its axes.

    ranks: of inputs whose axes may be "", unknown until `complete`.
    """

    sources: list[str] = field(default_factory=list)
    copies: list[np.ndarray | None] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)

    def complete(self, axes: str, *, usually: Callable[[int], str]) -> None:
        """Say the axes that are unknown: those of the output where ranks are equal, else what its rank usually has."""
        both = zip(self.axes, self.ranks, strict=True)
        self.axes = [known or (axes if rank == len(axes) else usually(rank)) for known, rank in both]


@dataclass
class Calls:
    """The calls of one pass, by key; `arrays` holds outputs, and as `KEY<i` the i-th input where no call gave it."""

    calls: dict[str, Call] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def add(
        self,
        path: str,
        output: np.ndarray,
        *,
        kind: str,
        axes: str,
        given: Given,
        settings: dict[str, Any] | None = None,
    ) -> str:
        """Record a call and those of its inputs that no call gave; return its key.

        That is `path`, or `path#k` for the k-th call of the same layer.
        """
        key, count = path, 1
        while key in self.calls:
            count += 1
            key = f"{path}#{count}"
        self.calls[key] = Call(kind, path, tuple(given.sources), settings or {}, axes, tuple(given.axes))
        self.arrays[key] = output
        self.arrays |= {f"{key}<{i}": array for i, array in enumerate(given.copies) if array is not None}
        return key

    def forget(self, count: int) -> None:
        """Drop what was recorded after the first `count` calls: it happened inside of one layer."""
        for key in list(self.calls)[count:]:
            del self.calls[key]
            for name in [name for name in self.arrays if name == key or name.startswith(f"{key}<")]:
                del self.arrays[name]


def map_axes(rank: int, *, first: bool) -> str:
    """Return the axes of a map of some rank whose channels stand first (after the samples) or last.

    A rank that no map has gets a letter a place: its axes are never moved.
    """
    if rank not in PLACES:
        return ascii_lowercase[:rank]
    return f"NC{PLACES[rank]}" if first else f"N{PLACES[rank]}C"


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
