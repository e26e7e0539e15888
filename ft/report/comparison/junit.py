"""The report for CI: one test case a phase and step, in the XML that every CI server reads."""

from xml.etree import ElementTree as ET

from ft.parity.verdict import Row
from ft.report.comparison.report import OPEN, Cause, Part, Report
from ft.report.comparison.text import cautions, headline
from ft.report.words import figure, size_words
from ft.system.clean import clean

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
    ET.SubElement(suite, "system-out").text = "\n".join([headline(report), *cautions(report), *report.notes])
    for element in suites.iter():  # XML has no way to write most control characters, not even escaped
        element.attrib.update({name: clean(value) for name, value in element.attrib.items()})
        element.text = clean(element.text or "")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def add_case(suite: ET.Element, report: Report, part: Part) -> None:
    """Add the test case of one phase of one step."""
    where = "before the first step" if part.step is None else f"step {part.step}"
    case = ET.SubElement(suite, "testcase", {"classname": f"ft compare.{where}", "name": part.phase})
    if part.differing:
        lines = [row_line(row) for row in part.differing[:LISTED]]
        lines += [f"and {len(part.differing) - LISTED} more"] if len(part.differing) > LISTED else []
        lines += causes_of(report, part)
        failure = ET.SubElement(case, "failure", {"message": row_line(part.differing[0]), "type": "difference"})
        failure.text = "\n".join(lines)


def causes_of(report: Report, part: Part) -> list[str]:
    """Return what explains a part of a step: the causes found in it, and that of the first difference if it is here."""
    here = [cause for cause in report.causes if (cause.finding.step, cause.finding.phase) == (part.step, part.phase)]
    if report.first not in part.rows:
        return [cause_line(cause) for cause in here]
    if not report.explained:
        return [f"{OPEN}: {part.differing[0].place}", *map(cause_line, here)]
    first = report.causes[0]
    return [cause_line(first), *(cause_line(cause) for cause in here if cause != first)]


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
