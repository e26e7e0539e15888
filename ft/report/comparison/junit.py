"""The report for CI: a test case for every finding, and one for every phase and step that agrees, in the XML that CI
servers read.
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from ft.parity.evidence import Finding
from ft.parity.finding_id import UNEXPLAINED, finding_id
from ft.parity.verdict import Row
from ft.report.comparison.report import OPEN, Cause, Report, place, place_words
from ft.report.comparison.text import cautions, headline
from ft.report.words import figure, size_words
from ft.system.clean import clean

LISTED = 20  # rows of a failure
NAME = "ft compare"


def render_junit(report: Report) -> str:
    """Return JUnit XML: a finding is a failure, or skipped where it is accepted; a phase that agrees is a pass."""
    suite = ET.Element("testsuite", {"name": NAME})
    for part in report.parts():
        if not part.differing:
            where = "before the first step" if part.step is None else f"step {part.step}"
            ET.SubElement(suite, "testcase", {"classname": f"{NAME}.{where}", "name": part.phase})
    for item in report.items:
        add_case(suite, report, item)
    if report.status == "nothing compared":  # an empty comparison must not pass
        case = ET.SubElement(suite, "testcase", {"classname": NAME, "name": "anything"})
        ET.SubElement(case, "failure", {"message": headline(report)})
    ET.SubElement(suite, "system-out").text = "\n".join([headline(report), *cautions(report), *report.notes])
    return written(suite)


def render_refusal(message: str) -> str:
    """Return JUnit XML of a comparison that was refused: one case, in error."""
    suite = ET.Element("testsuite", {"name": NAME})
    case = ET.SubElement(suite, "testcase", {"classname": NAME, "name": "comparison"})
    ET.SubElement(case, "error", {"message": message, "type": "refused"})
    return written(suite)


def render_told(cases: Mapping[str, str], words: str) -> str:
    """Return JUnit XML of what is told and not judged: a passing case each, what is told beneath it."""
    suite = ET.Element("testsuite", {"name": NAME})
    for name, told in cases.items():
        case = ET.SubElement(suite, "testcase", {"classname": f"{NAME}.runs", "name": name})
        ET.SubElement(case, "system-out").text = told
    ET.SubElement(suite, "system-out").text = words
    return written(suite)


def written(suite: ET.Element) -> str:
    """Return a suite as text, its cases counted."""
    kinds = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {name: str(len(list(suite.iter(kind)))) for name, kind in kinds.items()}
    suite.attrib.update(counts)
    suites = ET.Element("testsuites", {name: counts[name] for name in ("tests", "failures", "errors")})
    suites.append(suite)
    for element in suites.iter():  # XML has no way to write most control characters, not even escaped
        element.attrib.update({name: clean(value) for name, value in element.attrib.items()})
        element.text = clean(element.text or "")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def add_case(suite: ET.Element, report: Report, item: Finding) -> None:
    """Add the test case of a finding: its name is the id, so that a server follows it from build to build."""
    case = ET.SubElement(suite, "testcase", {"classname": f"{NAME}.finding", "name": finding_id(item)})
    reason = report.accepted.reason(item)
    if reason is not None:
        ET.SubElement(case, "skipped", {"message": f"accepted: {reason}"})
        return
    decides = report.first is not None and item == report.rest[0]
    at = report.first if decides else item
    rows = rows_at(report, at)
    own = rows and at is not None and place(rows[0]) == place(at)
    message = row_line(rows[0]) if own else f"{place_words(item)}: {item.detail}"
    failure = ET.SubElement(case, "failure", {"message": message, "type": "difference"})
    lines = [row_line(row) for row in rows[:LISTED]]
    lines += [f"and {len(rows) - LISTED} more"] if len(rows) > LISTED else []
    failure.text = "\n".join([*lines, explanation(report, item)])


def rows_at(report: Report, at: Row | Finding | None) -> list[Row]:
    """Return what differs in the phase and step of a place, its own row first."""
    parts = [part for part in report.parts() if at is not None and (part.step, part.phase) == (at.step, at.phase)]
    rows = [row for part in parts for row in part.differing]
    return sorted(rows, key=lambda row: at is None or place(row) != place(at))


def explanation(report: Report, item: Finding) -> str:
    """Return what is known of a finding's cause in a line."""
    if item.entry == UNEXPLAINED:
        return f"{OPEN}: {place_words(item)}"
    entry = next(cause.entry for cause in report.causes if cause.finding.entry == item.entry)
    return cause_line(Cause(item, entry))


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
    return f"{cause.heading}, {cause.place}: {cause.title}{detail}{mend}"
