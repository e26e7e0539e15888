"""The report as data: what the commands print as JSON."""

from typing import Any

from ft.parity.evidence import Finding
from ft.parity.finding_id import finding_id
from ft.parity.sensitivity import FEW, by_step
from ft.parity.verdict import Row
from ft.report.comparison.report import OPEN, ROUNDING, Cause, Part, Report, TraceSummary, place_words, totals
from ft.system import files

WORST = 12  # arrays in the table of the worst


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report in the types of JSON; NaN and infinity are null."""
    differ, arrays = totals(report.verdict)
    return files.plain(
        {
            "verdict": report.status,
            "equal": report.status == "equal",
            "passed": report.passed,
            "arrays": arrays,
            "differ": differ,
            "first": row_data(report, report.first) if report.first else None,
            "explained": report.explained,
            "cause": summary(report),
            "causes": [cause_data(cause) for cause in report.causes],
            "findings": [item_data(report, item) for item in report.items],
            "accepted_and_gone": report.accepted.gone(report.items),
            "phases": [part_data(part) for part in report.parts()],
            "worst": [row_data(report, row) for row in report.worst(WORST)],
            "unpaired": list(report.verdict.unpaired),
            "rounding": ROUNDING,
            "sensitivity": band_data(report),
            "sides": [side_data(side) for side in report.sides],
            "notes": list(report.notes),
            "pairing": [list(pair) for pair in report.pairing],
        }
    )


def summary(report: Report) -> str | None:
    """Return the cause of the first difference in a line, None where there is no difference."""
    if not report.first:
        return None
    return f"{report.causes[0].heading}: {report.causes[0].title}" if report.explained and report.causes else OPEN


def row_data(report: Report, row: Row) -> dict[str, Any]:
    """Return one array's row; noise: of both sides in float32, null where it was not measured."""
    return {**vars(row), "differs": row.differs, "place": row.place, "float32_noise": report.noise_at(row)}


def item_data(report: Report, item: Finding) -> dict[str, Any]:
    """Return a finding under its id, and the reason why it is accepted, null where it is not."""
    return {
        "id": finding_id(item),
        **vars(item),
        "place": place_words(item),
        "accepted": report.accepted.reason(item),
    }


def band_data(report: Report) -> dict[str, Any] | None:
    """Return what one ulp does to one side, step by step, and whether all that differs is within a few times that."""
    if report.band is None:
        return None
    steps = [vars(each) for each in by_step(report.verdict.rows, report.band)]
    return {"side": report.band.side, "within": report.is_chaos, "times": FEW, "steps": steps}


def cause_data(cause: Cause) -> dict[str, Any]:
    """Return a cause with its text from the catalogue."""
    texts = ("torch", "tf", "why", "shows", "mend_torch", "mend_tf")
    text = {name: getattr(cause.entry, name) if cause.entry else None for name in texts}
    return {
        "id": cause.ids[0],
        "also": cause.ids[1:],
        **vars(cause.finding),
        "place": cause.place,
        "title": cause.title,
        **text,
    }


def part_data(part: Part) -> dict[str, Any]:
    """Return the figures of one phase of one step."""
    worst = part.worst
    return {
        "step": part.step,
        "phase": part.phase,
        "arrays": len(part.rows),
        "differ": len(part.differing),
        "bar": part.rows[0].bar,
        "largest": worst.relative if worst else 0.0,
        "at": worst.name if worst else None,
    }


def side_data(side: TraceSummary) -> dict[str, Any]:
    """Return what one side says about itself."""
    return {"name": side.name, "losses": side.losses, "facts": dict(side.facts)}
