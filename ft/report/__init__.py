"""What a comparison found, for a person and for a machine: text, HTML page, JSON and JUnit XML from one Report."""

from ft.report.data import to_dict
from ft.report.junit import render_junit
from ft.report.page import render_html
from ft.report.report import Cause, Part, Report, Side, make_report
from ft.report.summary import run_line, run_table
from ft.report.text import render_text
from ft.report.training import write_training_report

__all__ = [
    "Cause",
    "Part",
    "Report",
    "Side",
    "make_report",
    "render_html",
    "render_junit",
    "render_text",
    "run_line",
    "run_table",
    "to_dict",
    "write_training_report",
]
