"""What a page quotes is cut, escaped and without marks that nobody sees, and is kept when the texts are gone."""

from ft.data import Sample
from ft.data.sources.text import Text
from ft.report.template import template
from ft.report.training.quotes import LETTERS, excerpt, quoted_parts
from ft.tasks.sections import Mistake

ROWS = [Mistake("line <2>", "a&b", 0.9, "c"), Mistake("line 3", "a", 0.8, "c")]
HOSTILE = '</q></li><script>alert("1")</script>\u202e\0 & more'


def page_of(parts):
    return template("quotes.html.j2").render(section=parts)


def test_hostile_texts_are_quoted_and_kept(tmp_path):
    samples = [Sample("line <2>", 0, Text(HOSTILE)), Sample("line 3", 0, Text("x" * 1000, "y" * 1000))]
    first = page_of(quoted_parts(ROWS, 7, samples, tmp_path / "none"))
    assert "<script" not in first
    assert "&lt;script&gt;" in first
    assert not {"\u202e", "\0"} & set(first)
    assert len(excerpt(samples[1].source)) <= LETTERS + 10
    (tmp_path / "report.html").write_text(first, encoding="utf-8")
    assert page_of(quoted_parts(ROWS, 7, None, tmp_path / "report.html")) == first
    assert "no longer where they were" in page_of(quoted_parts(ROWS, 7, None, tmp_path / "none"))
