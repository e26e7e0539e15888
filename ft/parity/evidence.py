"""What a probe may look at: two traces, put side by side layer by layer in one layout.

A probe never asks how far two numbers are apart. It asks of each side what computed it: it takes a layer's own inputs
and weights on that side, computes what the layer gives under a hypothesis, and sees whether that is what the side has.
So a fault upstream hides none downstream, and a difference is named only where a hypothesis explains it to rounding.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ft.backend.calls import Call
from ft.parity.arrays import BARS, gap
from ft.parity.trace import Trace
from ft.parity.verdict import Verdict

SIDES = ("a", "b")
OVER_CHANNELS = ("linear", "layernorm")  # kinds that work on the last axis, the channels
AT = "; at "  # in the detail of a finding, between what differs and where
FIRST, LAST = ("NCHW", "NCDHW", "NTC", "NGTC", "NC"), ("NHWC", "NDHWC", "NTC", "NGTC", "NC")


@dataclass(frozen=True)
class Side:
    """One layer call in one trace; `weights` by leaf: weight, running_var ...

    Maps are (N, C, H, W) on both sides, or (N, H, W, C) around a layer that works on the last axis; tokens (N, T, C).
    """

    call: Call
    inputs: tuple[np.ndarray, ...]
    output: np.ndarray
    weights: dict[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """One layer call in both traces."""

    step: int | None
    phase: str
    key: str
    a: Side
    b: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.a, self.b


@dataclass(frozen=True)
class Finding:
    """A cause at a place. error: the largest relative difference that it explains; detail: what was measured, in words.

    certain: the hypothesis explains the numbers to rounding; else it is only likely, and said so; part: which operation
    of that place, where there are several.
    """

    entry: str
    step: int | None
    phase: str
    name: str
    error: float
    detail: str = ""
    certain: bool = True
    part: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """What differs, wherever that is."""
        return self.entry, self.detail.partition(AT)[0]


@dataclass(frozen=True)
class Evidence:
    """Two traces and their verdict, as probes see them."""

    a: Trace
    b: Trace
    verdict: Verdict
    weights_of: dict[tuple[str, int], dict[str, np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def traces(self) -> tuple[Trace, Trace]:
        """Both traces."""
        return self.a, self.b

    @property
    def close(self) -> float:
        """The relative difference below which a hypothesis has computed the same thing."""
        return BARS[self.a.dtype]["cause"]

    @cached_property
    def parted(self) -> set[tuple[int | None, str, str]]:
        """Step, phase and name of everything that differs."""
        return {(row.step, row.phase, row.name) for row in self.verdict.rows if row.differs}

    def layers(self, kind: str, *, phases: Iterable[str] = ("inference", "forward"), step: int = 0) -> Iterator[Layer]:
        """Yield the calls of one kind whose outputs differ, in the order of computation."""
        for phase in phases:
            at = None if phase == "inference" else step
            for key, call in self.a.calls[phase].items():
                other = self.b.calls[phase].get(key)
                if other is not None and kind in (call.kind, other.kind) and (at, phase, key) in self.parted:
                    sides = [self.side(trace, at, phase, key) for trace in self.traces]
                    yield Layer(at, phase, key, *sides)

    def side(self, trace: Trace, step: int | None, phase: str, key: str) -> Side:
        """Return one layer call of one trace."""
        call, arrays = trace.calls[phase][key], trace.arrays(step, phase)
        names = [source or f"{key}<{i}" for i, source in enumerate(call.inputs)]
        orders = LAST if call.kind in OVER_CHANNELS else FIRST
        *inputs, output = (in_order(arrays[name], trace, phase, name, orders) for name in (*names, key))
        prefix = f"{call.path}."
        weights = {n.removeprefix(prefix): w for n, w in self.weights(trace, step or 0).items() if n.startswith(prefix)}
        return Side(call, tuple(inputs), output, weights)

    def weights(self, trace: Trace, step: int) -> dict[str, np.ndarray]:
        """Return the weights and statistics of a trace before a step."""
        key = str(trace.folder), step
        if key not in self.weights_of:
            if step == 0:
                self.weights_of[key] = dict(trace.arrays(None, "weights"))
            else:
                before, change = self.weights(trace, step - 1), trace.arrays(step - 1, "updates")
                moved = {name: before[name] - change[name] for name in change}
                self.weights_of[key] = {**before, **moved, **trace.arrays(step - 1, "statistics")}
        return self.weights_of[key]

    def same(self, x: np.ndarray, y: np.ndarray) -> bool:
        """Tell whether two arrays are equal but for rounding."""
        return distance(x, y) <= self.close

    def which(self, hypotheses: dict[str, Callable[[Side], np.ndarray]], side: Side) -> str | None:
        """Return the first hypothesis that gives a side's output from that side's inputs, None where none does."""
        return next((name for name, compute in hypotheses.items() if self.same(compute(side), side.output)), None)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the relative gap; infinity where one is not finite, for NaN is what any hypothesis gives of NaN."""
    return gap(x, y).relative if np.isfinite(x).all() else np.inf


def in_order(x: np.ndarray, trace: Trace, phase: str, name: str, orders: tuple[str, ...] = FIRST) -> np.ndarray:
    """Return an array of a trace with its axes in one of some orders, moved by the names that the trace says."""
    axes = trace.axes(phase, name, x.ndim)
    order = next((order for order in orders if sorted(order) == sorted(axes)), axes)
    return x.transpose([axes.index(axis) for axis in order]) if axes else x
