"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ft.parity.finding_id import finding_id
from ft.parity.sensitivity import FEW
from ft.parity.trace import BEFORE, EACH_STEP
from ft.report.comparison.chart import band_charts, error_charts, loss_chart
from ft.report.comparison.columns import SLIGHT, columns
from ft.report.comparison.data import WORST
from ft.report.comparison.report import (
    OPEN,
    ROUNDING,
    Part,
    Report,
    band_words,
    names_of,
    noise_words,
    place_words,
    totals,
)
from ft.report.comparison.text import band_table, cautions, headline, opened_line
from ft.report.template import template


def render_refusal_page(message: str) -> str:
    """Return the page of a comparison that was refused."""
    return template("refusal.html.j2").render(message=message)


def render_html(report: Report) -> str:
    """Return the page. Every name is escaped, and what cannot be seen is replaced."""
    differ, arrays = totals(report.verdict)
    return template("page.html.j2").render(
        report=report,
        names=names_of(report.sides),
        headline=headline(report),
        noise=noise_words(report, report.first) if report.first else "",
        rounding=ROUNDING[report.dtype],
        differ=differ,
        arrays=arrays,
        open=OPEN,
        opened=[opened_line(item) for item in report.opened],
        let_pass=[
            (item, finding_id(item), place_words(item), report.accepted.reason(item)) for item in report.let_pass
        ],
        deciding=finding_id(report.rest[0]) if report.rest else "",
        steps=step_table(report),
        phases=EACH_STEP,
        band=band_table(report),
        few=FEW,
        band_charts=band_charts(report),
        band_words=band_words(report, report.first) if report.first else "",
        before=[part for part in report.parts() if part.phase in BEFORE],
        charts=error_charts(report),
        losses=loss_chart(report.sides),
        worst=report.worst(WORST),
        facts=list(fact_rows(report)),
        loss_worst=next((part.worst for part in report.phases() if part.phase == "loss"), None),
        cautions=list(cautions(report)),
        operations=columns(report.operations) if report.operations else None,
        slight=SLIGHT,
    )


@dataclass(frozen=True)
class Fact:
    """What both sides say about one thing."""

    name: str
    a: str
    b: str

    @property
    def differs(self) -> bool:
        """Whether they say different things."""
        return self.a != self.b


def fact_rows(report: Report) -> Iterator[Fact]:
    """Yield the facts of both sides, nested ones by path: "versions torch"."""
    a, b = (dict(flat(side.facts)) for side in report.sides)
    for name in dict.fromkeys([*a, *b]):
        yield Fact(name, a.get(name, "not said"), b.get(name, "not said"))


def flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and value in words."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        elif isinstance(value, (list, tuple)):
            words = list(map(str, value)) or ["none"]
            alike = len(words) > 1 and len(set(words)) == 1
            yield f"{prefix}{name}", f"{words[0]} each time" if alike else ", ".join(words)
        elif value is not None:
            yield f"{prefix}{name}", str(value)


def step_table(report: Report) -> list[tuple[int, list[Part | None]]]:
    """Return the phases of the steps that are shown."""
    parts = {(part.step, part.phase): part for part in report.parts()}
    return [(step, [parts.get((step, phase)) for phase in EACH_STEP]) for step in report.shown_steps()]
