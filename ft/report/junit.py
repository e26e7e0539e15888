"""The report for CI: one test case a phase and step, in the XML that every CI server reads."""

from xml.etree import ElementTree as ET

from ft.report.clean import clean
from ft.report.report import OPEN, Cause, Part, Report, figure, size_words
from ft.report.text import cautions, headline
from ft.verdict import Row

LISTED = 20  # rows of a failure


def render_junit(report: Report) -> str:
    """Return JUnit XML; a part of a step that differs is a failure with its first difference as the message."""
    parts = report.parts()
    failures = str(sum(bool(part.differing) for part in parts) if parts else 1)
    counts = {"tests": str(max(len(parts), 1)), "failures": failures, "errors": "0"}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "ft compare", **counts})
    for part in parts:
        add_case(suite, report, part)
    if not parts:  # an empty comparison must not pass
        case = ET.SubElement(suite, "testcase", {"classname": "ft compare", "name": "anything"})
        ET.SubElement(case, "failure", {"message": headline(report)})
    ET.SubElement(suite, "system-out").text = clean("\n".join([headline(report), *cautions(report), *report.notes]))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def add_case(suite: ET.Element, report: Report, part: Part) -> None:
    """Add the test case of one phase of one step."""
    where = "before the first step" if part.step is None else f"step {part.step}"
    case = ET.SubElement(suite, "testcase", {"classname": f"ft compare.{where}", "name": part.phase})
    if part.differing:
        lines = [row_line(row) for row in part.differing[:LISTED]]
        lines += [f"and {len(part.differing) - LISTED} more"] if len(part.differing) > LISTED else []
        here = [c for c in report.causes if (c.finding.step, c.finding.phase) == (part.step, part.phase)]
        lines += [cause_line(cause) for cause in here]
        if not report.explained and report.first in part.rows:
            lines.append(f"{OPEN}: {part.differing[0].place}")
        failure = ET.SubElement(case, "failure", {"message": clean(row_line(part.differing[0])), "type": "difference"})
        failure.text = clean("\n".join(lines))


def row_line(row: Row) -> str:
    """Return one difference in a line."""
    if row.fault:
        return f"{row.place}: {row.fault}"
    off = f"relative {figure(row.relative)} above {figure(row.bar)}, absolute {figure(row.absolute)}"
    return f"{row.place}: {off}, {size_words(row)}"


def cause_line(cause: Cause) -> str:
    """Return a cause in a line."""
    detail = f" ({cause.finding.detail})" if cause.finding.detail else ""
    mend = f"; in PyTorch: {cause.entry.mend_torch}; in Keras: {cause.entry.mend_tf}" if cause.entry else ""
    return f"{cause.heading} at {cause.place}: {cause.title}{detail}{mend}"
