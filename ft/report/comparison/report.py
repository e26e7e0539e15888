"""Everything that there is to say about two traces, gathered once: verdict, causes, facts, losses, noise."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ft.differences import ENTRIES
from ft.differences.entry import Entry
from ft.parity.accepted import Accepted
from ft.parity.evidence import Finding
from ft.parity.finding_id import UNEXPLAINED, finding_id
from ft.parity.foreign.picture import Picture
from ft.parity.sensitivity import Band
from ft.parity.trace import BEFORE, EACH_STEP, Trace
from ft.parity.verdict import COVERAGE, Row, Verdict
from ft.report.words import figure

Place = tuple[int | None, str, str]  # step, phase, name
Noise = Mapping[Place, float]  # of one wing: how far its float32 run is from its own float64 run, relative

ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24}  # half a unit in the last place of 1
STEPS_SHOWN = 8
OPEN = "cause not in the catalogue"
HIDDEN = ("format", "label", "inference_only", "layers", "outputs", "parameters")  # for programs, not for people


@dataclass(frozen=True)
class TraceSummary:
    """One of the two traces: its name in the report, what it says about itself, its losses, and the kind of each layer
    ("conv") by key.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cause:
    """A finding and what the catalogue says about it; entry is None where the catalogue has none of that name.

    others: findings of the same entry at other places.
    """

    finding: Finding
    entry: Entry | None
    others: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        """The difference in a few words."""
        return self.entry.title if self.entry else self.finding.entry

    @property
    def heading(self) -> str:
        """How sure we are, in words."""
        if self.finding.phase == COVERAGE:
            return "Caution"
        return "Cause" if self.finding.certain else "Likely cause"

    @property
    def place(self) -> str:
        """Where it was found, in words."""
        return place_words(self.finding)

    @property
    def ids(self) -> list[str]:
        """The ids of all its findings."""
        return [finding_id(finding) for finding in (self.finding, *self.others)]


@dataclass(frozen=True)
class Part:
    """The arrays of one phase: of one step, or of all steps together."""

    step: int | None
    phase: str
    rows: tuple[Row, ...]

    @property
    def differing(self) -> tuple[Row, ...]:
        """Those that are not equal."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def worst(self) -> Row | None:
        """The one with the largest relative difference, arrays that cannot be subtracted first."""
        return max((row for row in self.rows if row.differs or not row.zero), key=severity, default=None)


@dataclass(frozen=True)
class Report:
    """A verdict with all that explains it.

    noise: the float32 noise of each side where it was measured; notes: lines to print as they are; pairing: which name
    of the first model was taken for which of the second, where they were not named alike; origins: where differences
    begin that no finding names; accepted: what to let pass; band: what one ulp does to the first side alone;
    operations: which of them stand for one another, of two models that were run operation by operation.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    sides: tuple[TraceSummary, TraceSummary]
    noise: tuple[Noise, Noise] | None = None
    notes: tuple[str, ...] = ()
    pairing: tuple[tuple[str, str], ...] = ()
    origins: tuple[Finding, ...] = ()
    accepted: Accepted = field(default_factory=Accepted)
    band: Band | None = None
    operations: Picture | None = None

    @cached_property
    def items(self) -> tuple[Finding, ...]:
        """Everything that may be accepted, each once: findings, and where a difference begins that none explains."""
        items, first = [*self.findings], self.verdict.first
        if first is not None and not self.first_is_named:
            items.append(Finding(UNEXPLAINED, first.step, first.phase, first.name, first.relative, first.fault))
        items += [origin for origin in self.origins if first is None or place(origin) != place(first)]
        positions = self.positions(items)
        items.sort(key=lambda finding: (positions[id(finding)], not finding.certain))
        by_id: dict[str, Finding] = {}
        for finding in items:
            by_id.setdefault(finding_id(finding), finding)
        return tuple(by_id.values())

    @cached_property
    def let_pass(self) -> tuple[Finding, ...]:
        """What is accepted."""
        return tuple(item for item in self.items if self.accepted.reason(item) is not None)

    @cached_property
    def rest(self) -> tuple[Finding, ...]:
        """What is not accepted: the verdict is over this."""
        return tuple(item for item in self.items if self.accepted.reason(item) is None)

    @cached_property
    def first(self) -> Row | None:
        """The first difference that is not accepted."""
        first = self.verdict.first
        if not self.let_pass or first is None:
            return first
        return self.row_at(self.rest[0], first) if self.rest else None

    def row_at(self, item: Finding, otherwise: Row) -> Row:
        """Return the row at the place of a finding, of an operation a row of its own, `otherwise` for what has none."""
        at = self.order.get(place(item))
        if at is not None and self.verdict.rows[at].differs:
            return self.verdict.rows[at]
        of_operation = self.operations is not None and item.phase == "inference"
        return Row.unmeasured(*place(item), item.detail) if of_operation else otherwise

    @property
    def status(self) -> str:
        """The verdict: "equal", "accepted", "different"; "nothing compared" and "partly compared" must not pass."""
        if self.rest:
            return "partly compared" if all(item.phase == COVERAGE for item in self.rest) else "different"
        return "accepted" if self.items else "equal" if self.verdict.rows else "nothing compared"

    @cached_property
    def is_chaos(self) -> bool:
        """Whether all that differs is within a few times what one ulp does."""
        return self.band is not None and self.band.holds_all(self.verdict)

    @property
    def passed(self) -> bool:
        """Whether nothing differs but what is accepted."""
        return self.status in ("equal", "accepted")

    @property
    def dtype(self) -> str:
        """The type in which both sides computed."""
        return self.sides[0].facts.get("dtype", "float64")

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """The findings that are not accepted, by what differs with their places, in the order of computation."""
        kinds: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.rest:
            if finding.entry != UNEXPLAINED:
                kinds.setdefault((finding.entry, "") if finding.entry in ENTRIES else finding.kind, []).append(finding)
        return tuple(Cause(first, ENTRIES.get(name), tuple(more)) for (name, _), (first, *more) in kinds.items())

    @cached_property
    def opened(self) -> tuple[Finding, ...]:
        """Where differences begin without a known cause, beside the first one."""
        opened = tuple(item for item in self.rest if item.entry == UNEXPLAINED)
        return opened if self.explained else opened[1:]

    @cached_property
    def first_is_named(self) -> bool:
        """Whether a finding stands at or before the first difference of all; without one its cause is not known."""
        if self.verdict.first is None:
            return True
        here = self.position(*place(self.verdict.first))
        return any(self.position(*place(finding)) <= here for finding in self.findings)

    @cached_property
    def explained(self) -> bool:
        """Whether the cause of the first difference that is not accepted is known."""
        if not self.let_pass or not self.rest:
            return self.first_is_named
        return self.rest[0].entry != UNEXPLAINED

    @cached_property
    def order(self) -> dict[Place, int]:
        """The position of every row."""
        return {place(row): i for i, row in enumerate(self.verdict.rows)}

    def position(self, step: int | None, phase: str, name: str) -> float:
        """Return where a place stands in the order of computation; one that no row has comes after all of them."""
        if (step, phase) == (0, "batch"):  # the inference pass sees the first batch too, though it is listed before it
            return next((i for i, row in enumerate(self.verdict.rows) if row.phase != "weights"), 0) - 0.5
        if phase == "inference" and (step, phase, name) not in self.order:  # an operation that is no layer
            return next((i for i, row in enumerate(self.verdict.rows) if row.phase == phase and row.differs), 0)
        return self.order.get((step, phase, name), len(self.order))

    def positions(self, items: Iterable[Finding]) -> dict[int, float]:
        """Return where findings stand, by id; an operation that no row has stands behind the one before it."""
        known: dict[int, float] = {}
        last = -1.0
        for item in items:
            known[id(item)] = at = self.position(*place(item))
            if item.phase == "inference":
                last = known[id(item)] = at if place(item) in self.order else max(at, last)
        return known

    def noise_at(self, row: Row) -> tuple[float, float] | None:
        """Return the float32 noise of both sides at a row, None where it is not known."""
        known = [noise[place(row)] for noise in self.noise or () if place(row) in noise]
        return (known[0], known[1]) if len(known) == 2 else None

    def parts(self) -> list[Part]:
        """Return the rows by step and phase, in the order of computation."""
        groups: dict[tuple[int | None, str], list[Row]] = {}
        for row in self.verdict.rows:
            groups.setdefault((row.step, row.phase), []).append(row)
        return [Part(step, phase, tuple(rows)) for (step, phase), rows in groups.items()]

    def phases(self) -> list[Part]:
        """Return the rows by phase, all steps together."""
        phases = dict.fromkeys((*BEFORE, *EACH_STEP, *(row.phase for row in self.verdict.rows)))
        groups = {phase: [row for row in self.verdict.rows if row.phase == phase] for phase in phases}
        return [Part(None, phase, tuple(rows)) for phase, rows in groups.items() if rows]

    def shown_steps(self) -> list[int]:
        """Return the steps to show: the first ones, those around the first difference, the last."""
        steps = sorted({row.step for row in self.verdict.rows if row.step is not None})
        if len(steps) > STEPS_SHOWN:
            first = (self.first.step if self.first else 0) or 0
            wanted = {*steps[:3], first - 1, first, first + 1, steps[-1]}
            steps = [step for step in steps if step in wanted]
        return steps

    def worst(self, count: int) -> list[Row]:
        """Return the arrays that are furthest apart, the furthest first."""
        told = (row for row in self.verdict.rows if row.differs or not row.zero)
        return sorted(told, key=severity, reverse=True)[:count]


def make_report(
    a: Trace,
    b: Trace,
    verdict: Verdict,
    findings: Iterable[Finding],
    *,
    noise: tuple[Noise, Noise] | None = None,
    notes: Iterable[str] = (),
    pairing: Iterable[tuple[str, str]] = (),
    origins: Iterable[Finding] = (),
    accepted: Accepted | None = None,
    band: Band | None = None,
    picture: Picture | None = None,
) -> Report:
    """Gather what two traces and their comparison say. Raises RunError where a trace cannot be read."""
    sides = read_side(a, name_of(a, b, "A")), read_side(b, name_of(b, a, "B"))
    more = noise, tuple(notes), tuple(pairing), tuple(origins), accepted or Accepted(), band, picture
    return Report(verdict, tuple(findings), sides, *more)


def name_of(trace: Trace, other: Trace, letter: str) -> str:
    """Return what to call a side: its framework, with a letter where both have the same."""
    return trace.backend if trace.backend != other.backend else f"{trace.backend} {letter}"


def read_side(trace: Trace, name: str) -> TraceSummary:
    """Return what a report needs of one trace."""
    steps = [step for step, phase in trace.phases() if phase == "loss" and step is not None]
    losses = tuple(loss_of(trace.arrays(step, "loss").get("loss")) for step in steps)
    kinds = {key: call.kind for calls in trace.calls.values() for key, call in calls.items()}
    facts = {key: value for key, value in trace.facts.items() if key not in HIDDEN}
    return TraceSummary(name, {"folder": str(trace.folder), **facts}, losses, kinds)


def loss_of(value: np.ndarray | None) -> float:
    """Return the one number of a loss, NaN where there is none."""
    return float(value.ravel()[0]) if value is not None and value.size else float("nan")


def severity(row: Row) -> tuple[bool, float]:
    """Order rows by how bad they are."""
    return bool(row.fault), row.relative


def place(at: Row | Finding) -> Place:
    """Return where a row or a finding stands."""
    return at.step, at.phase, at.name


def place_words(at: Finding) -> str:
    """Return where a finding stands, in words."""
    where = "before the first step" if at.step is None else f"step {at.step}"
    return f"{where}, {at.phase}, {at.name}"


def noise_words(report: Report, row: Row) -> str:
    """Return the float32 noise at a row in words, and what it means for the difference."""
    known = report.noise_at(row)
    if known is None:
        return "not measured"
    words = ", ".join(f"{side.name} {figure(noise)}" for side, noise in zip(report.sides, known, strict=True))
    floor = max(known)
    if not np.isfinite(row.relative) or floor == 0:
        return words
    times = row.relative / floor
    return f"{words}; the difference is {f'{times:.3g} times as large' if times >= 2 else 'lost in it'}"


def band_words(report: Report, row: Row) -> str:
    """Return what one ulp does to one side at a row in words, "" where that was not measured."""
    if report.band is None:
        return ""
    moved = report.band.at(row)
    times = f"; the difference is {row.relative / moved:.3g} times as large" if moved else ""
    return f"moves {report.band.side} alone by {figure(moved)}{times}"


def totals(verdict: Verdict) -> tuple[int, int]:
    """Return how many arrays differ, and how many there are."""
    return sum(row.differs for row in verdict.rows), len(verdict.rows)


def names_of(sides: Sequence[TraceSummary]) -> str:
    """Return "torch and tf"."""
    return " and ".join(side.name for side in sides)
