"""Where differences begin: arrays that differ though all that they are computed from agrees.

The first difference is one; others begin in branches beside it, or in a later phase. What no finding names there has a
cause that is not in the catalogue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ft.parity.evidence import Evidence, Finding
from ft.parity.finding_id import OUTPUTS, UNEXPLAINED
from ft.parity.verdict import Row, compare_arrays

BY_LAYER = (*OUTPUTS, "statistics")  # in other phases one cause touches most tensors: one finding explains the phase

MOVED = ("weights", "updates", "statistics")


def unexplained(evidence: Evidence, findings: Iterable[Finding]) -> list[Finding]:
    """Return a Finding for every place where a difference begins that none of these findings names."""
    every, origins = list(findings), Origins(evidence)
    named = {finding.name for finding in every} | {finding.name.rpartition(".")[0] for finding in every}
    phases = {finding.phase for finding in every}
    opened: dict[tuple[str, str], Finding] = {}
    for row in (row for row in evidence.verdict.rows if row.differs and origins.begins(row)):
        by_layer = row.phase in BY_LAYER
        if not (names_of(row) & named if by_layer else row.phase in phases):
            at = ("" if row.phase in OUTPUTS else row.phase, row.name if by_layer else "")
            opened.setdefault(at, Finding(UNEXPLAINED, row.step, row.phase, row.name, row.relative, row.fault))
    return list(opened.values())


def names_of(row: Row) -> set[str]:
    """Return the names by which a finding may mean a row: its own, of a statistic its layer's as well."""
    return {row.name, row.name.rpartition(".")[0]} if row.phase == "statistics" else {row.name}


@dataclass(frozen=True)
class Origins:
    """Asks of each array that differs whether what it is computed from agrees; where that is not known, it does not."""

    evidence: Evidence

    @cached_property
    def rows(self) -> set[tuple[int | None, str, str]]:
        """The places of all arrays that were compared."""
        return {(row.step, row.phase, row.name) for row in self.evidence.verdict.rows}

    def begins(self, row: Row) -> bool:
        """Tell whether a difference begins at a row."""
        step, name = row.step or 0, row.name
        if row.phase in ("weights", "batch"):
            return True
        if row.phase in OUTPUTS:
            return self.layer_begins(row.step, row.phase, name)
        if row.phase == "statistics":
            path = name.rpartition(".")[0]
            keys = [key for key, call in self.evidence.a.calls["forward"].items() if call.path == path]
            return bool(keys) and all(self.inputs_agree(step, "forward", key, path) for key in keys)
        if row.phase == "updates":
            same = {(step, "gradients", name), (None, "weights", name)}
            same |= {(at, phase, name) for at in range(step) for phase in ("updates", "slots")}
            return not same & self.evidence.parted
        return not any(self.before(row, place) for place in self.evidence.parted)

    def before(self, row: Row, place: tuple[int | None, str, str]) -> bool:
        """Tell whether a place that differs may be why a loss, a gradient or a slot does."""
        at, phase, name = place
        if phase in ("inference", "statistics") or (at is not None and at > (row.step or 0)):
            return False
        if phase == row.phase and at == row.step:
            names = self.evidence.a.order(phase)
            return name in names and row.name in names and names.index(name) < names.index(row.name)
        late = {"loss": ("gradients", "updates", "slots"), "gradients": ("updates", "slots"), "slots": ()}
        return at != row.step or phase not in late.get(row.phase, ())

    def layer_begins(self, step: int | None, phase: str, key: str) -> bool:
        """Tell whether a layer's output differs though its inputs and weights agree."""
        call = self.evidence.a.calls[phase].get(key)
        if call is None:  # an output of the network: of what layer it is is not known
            return not any(place[:2] == (step, phase) and place[2] != key for place in self.evidence.parted)
        return self.inputs_agree(step, phase, key, call.path)

    def inputs_agree(self, step: int | None, phase: str, key: str, path: str) -> bool:
        """Tell whether the inputs and the weights of a layer's call agree."""
        a, b = self.evidence.traces
        if key not in b.calls[phase]:
            return False
        for i, source in enumerate(a.calls[phase][key].inputs):
            place = (step, phase, source)
            if (source and (place in self.evidence.parted or place not in self.rows)) or (
                not source and not self.same_input(step, phase, f"{key}<{i}")
            ):
                return False
        return not self.weights_differ(step, path)

    def same_input(self, step: int | None, phase: str, name: str) -> bool:
        """Tell whether an input that no layer gave is the same on both sides."""
        arrays = [trace.arrays(step, phase) for trace in self.evidence.traces]
        if any(name not in side for side in arrays):
            return False
        x, y = (side[name] for side in arrays)
        axes = [trace.axes(phase, name, z.ndim) for trace, z in zip(self.evidence.traces, (x, y), strict=True)]
        row, _ = compare_arrays(step, phase, name, x, y, self.evidence.close, axes=(axes[0], axes[1]))
        return not row.differs

    def weights_differ(self, step: int | None, path: str) -> bool:
        """Tell whether a weight or a statistic under a path differs before a step."""
        return any(
            phase in MOVED and name.startswith(f"{path}.") and (at is None or at < (step or 0))
            for at, phase, name in self.evidence.parted
        )
