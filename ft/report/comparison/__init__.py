"""What a comparison found, for a person and for a machine: text, HTML page, JSON and JUnit XML from one Report."""

from ft.report.comparison.data import to_dict
from ft.report.comparison.junit import render_junit, render_refusal
from ft.report.comparison.page import render_html, render_refusal_page
from ft.report.comparison.report import Cause, Part, Report, TraceSummary, make_report
from ft.report.comparison.text import render_text

__all__ = [
    "Cause",
    "Part",
    "Report",
    "TraceSummary",
    "make_report",
    "render_html",
    "render_junit",
    "render_refusal",
    "render_refusal_page",
    "render_text",
    "to_dict",
]
