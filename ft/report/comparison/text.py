"""The report for a terminal: the verdict in the first line, then where, how much, and why."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ft.errors import listed
from ft.parity.accepted import words_of_gone
from ft.parity.evidence import Finding
from ft.parity.finding_id import OUTPUTS, UNEXPLAINED, finding_id
from ft.parity.sensitivity import SHOWN, by_step
from ft.parity.verdict import Row
from ft.report.comparison.report import (
    OPEN,
    ROUNDING,
    Cause,
    Part,
    Report,
    band_words,
    names_of,
    noise_words,
    place_words,
    severity,
    totals,
)
from ft.report.words import figure, size_words
from ft.system.console import new_console, say, say_pairs, say_table, written

if TYPE_CHECKING:
    from rich.console import Console

LISTED = 10
BEHIND = (
    "behind an accepted difference inputs differ: there only what has a name in the catalogue is told from what follows"
)
BEHIND_IN_TRAINING = BEHIND.replace("inputs differ", "gradients and updates differ")
FLOAT32 = "float32 shows only what is larger than rounding and flipped ReLUs; float64 proves"


def render_text(report: Report, *, color: bool = False) -> str:
    """Return the report as text of at most 100 columns; color: for a terminal."""
    console = new_console(color=color)
    say(console, headline(report), style="bold green" if report.passed else "bold red")
    if report.first and report.status == "different":
        say_pairs(console, first_facts(report, report.first))
    phase_table(console, report)
    for headings, rows in filter(None, [band_table(report)]):
        say(
            console,
            f"step by step: how far the two are apart | how far one ulp moves {names_of(report.sides[:1])} alone",
        )
        say_table(console, [headings[0], *(f">{heading}" for heading in headings[1:])], (("", row) for row in rows))
    if not report.explained:
        say(console, unexplained(report) + "\n", style="bold")
    for number, cause in enumerate(report.causes, 1):
        cause_block(console, cause, number)
    for item in report.opened:
        say(console, opened_line(item) + "\n")
    for item in report.let_pass:
        say(console, accepted_line(report, item))
    for line in [*cautions(report), *pairing_lines(report), *report.notes]:
        say(console, line)
    return written(console)


def headline(report: Report) -> str:
    """Return the verdict in one sentence."""
    arrays, names = len(report.verdict.rows), names_of(report.sides)
    if report.status == "accepted":
        count = f"{len(report.let_pass)} difference{'s' * (len(report.let_pass) > 1)}"
        return f"ACCEPTED: {names} are equal but for {count} that you accept"
    if report.status == "partly compared":
        return f"PARTLY EQUAL: what was compared of {names} agrees, but {report.rest[0].detail}"
    if report.rest and not report.first:
        return f"DIFFERENT: {names} are not set alike: {place_words(report.rest[0])}"
    if report.first:
        at = "" if report.first.step is None else "at "
        band = (
            f", but not by more than one ulp does to {report.band.side} alone"
            if report.is_chaos and report.band
            else ""
        )
        return f"DIFFERENT{band}: {names} part {at}{report.first.place}"
    if not arrays:
        return f"NOTHING COMPARED: {names} have no array of the same name"
    return f"EQUAL: all {arrays:,} arrays of {names} agree within the {report.dtype} bars"


def first_facts(report: Report, row: Row) -> list[tuple[str, str]]:
    """Return how large the first difference is, beside what rounding would give."""
    differ, arrays = totals(report.verdict)
    facts = [("", row.fault)] if row.fault else []
    if math.isfinite(row.relative):
        rounding = f"{report.dtype} bar {figure(row.bar)}, one rounding {figure(ROUNDING[report.dtype])}"
        facts += [("relative difference", f"{figure(row.relative)}   ({rounding})")]
        facts += [("absolute difference", figure(row.absolute)), ("beyond the bar", size_words(row))]
        facts += [("float32 noise", noise_words(report, row)), ("one ulp", band_words(report, row))]
    return [*facts, ("in all", f"{differ:,} of {arrays:,} arrays differ")]


def phase_table(console: "Console", report: Report) -> None:
    """Print the largest difference of every phase, in the order of computation."""
    headings = ("phase", ">arrays", ">differ", ">largest", ">bar", "where it is largest")
    say_table(console, headings, (("red" if part.differing else "", phase_cells(part)) for part in report.phases()))


def phase_cells(part: Part) -> list[str]:
    """Return the line of one phase."""
    worst, bar = part.worst, max(row.bar for row in part.rows)
    figures = len(part.rows), len(part.differing), figure(worst.relative if worst else 0), figure(bar)
    where = "" if worst is None or not severity(worst)[1] else worst.name
    step = f", step {worst.step}" if where and worst and worst.step is not None else ""
    return [part.phase, *map(str, figures), where + step]


def band_table(report: Report) -> tuple[list[str], list[list[str]]] | None:
    """Return the headings and rows of the steps that are shown, beside what one ulp does; None if not measured."""
    if report.band is None:
        return None
    measured = {(each.step, each.phase): each for each in by_step(report.verdict.rows, report.band)}
    phases = [phase for phase in SHOWN if any(phase == p for _, p in measured)]
    rows = []
    for step in report.shown_steps():
        sizes = [measured.get((step, phase)) for phase in phases]
        rows.append([str(step), *(f"{figure(s.apart)} | {figure(s.moved)}" if s else "-" for s in sizes)])
    return ["step", *phases], rows


def cause_block(console: "Console", cause: Cause, number: int) -> None:
    """Print one cause: what was found, what each framework does, and the mend in both."""
    finding, entry = cause.finding, cause.entry
    say(console, f"{cause.heading} {number}: {cause.title}", style="bold")
    explains = "explains" if finding.certain else "would explain"
    lines = [("at", cause.place), *[("also at", listed(cause.ids[1:]))] * bool(cause.others)]
    lines += [("id", cause.ids[0]), ("found", finding.detail)]
    lines += [(explains, f"a difference of {figure(finding.error)}")] * math.isfinite(finding.error)
    if entry:
        lines += [("PyTorch", entry.torch), ("Keras", entry.tf), ("why", entry.why)]
        lines += [("mend in PyTorch", entry.mend_torch), ("mend in Keras", entry.mend_tf)]
        lines += [("see it run", f"ft differences {entry.name}")]
    say_pairs(console, lines)
    console.print()


def unexplained(report: Report) -> str:
    """Return the sentence for a first difference that no finding explains."""
    assert report.first
    later = "; the causes below explain only what comes after it" if report.findings else ""
    agrees = "agrees or is accepted" if report.let_pass else "agrees"
    item = next(item for item in report.rest if item.entry == UNEXPLAINED)
    return f"{OPEN.capitalize()}: {report.first.place}. All before it {agrees}{later}. Its id: {finding_id(item)}"


def opened_line(item: Finding) -> str:
    """Return the sentence for a later place where a difference begins without a known cause."""
    return f"Here too, from equal inputs, cause not in the catalogue: {place_words(item)}. Its id: {finding_id(item)}"


def accepted_line(report: Report, item: Finding) -> str:
    """Return what is let pass, where it is, how large, and why."""
    where = f"{figure(item.error)}; " * math.isfinite(item.error) + place_words(item)
    return f"accepted: {finding_id(item)} ({where}): {report.accepted.reason(item)}"


def cautions(report: Report) -> Iterator[str]:
    """Yield what limits the verdict."""
    if report.dtype == "float32":
        yield FLOAT32
    if report.let_pass:
        yield from words_of_behind(report)
    yield from words_of_gone(report.accepted, report.items)
    unpaired = report.verdict.unpaired
    if report.operations is not None:  # layers do not count there: what was compared is said by share
        unpaired = tuple(name for name in unpaired if name.partition(" ")[0] not in OUTPUTS)
    if unpaired:
        yield f"in one trace only, and not compared: {', '.join(unpaired[:LISTED])}{more(len(unpaired))}"


def words_of_behind(report: Report) -> Iterator[str]:
    """Yield what an accepted difference may hide: nothing in a pass that was run with the other side's values."""
    if report.operations is None or not report.operations.whole:
        yield BEHIND
    elif any(item.phase in OUTPUTS for item in report.let_pass):
        yield BEHIND_IN_TRAINING


def pairing_lines(report: Report) -> Iterator[str]:
    """Yield which names were taken for the same."""
    if report.pairing:
        yield f"{names_of(report.sides)}, names that are not alike and were taken for the same:"
        yield from (f"  {a} = {b}" for a, b in report.pairing)


def more(count: int) -> str:
    """Return " and 3 more" where a list was cut."""
    return f" and {count - LISTED} more" if count > LISTED else ""
