"""Two runs side by side as a page, and as JUnit XML for CI: told, not judged."""

from ft.api.side_by_side import SideBySide, apart_rows, cells, headings, summary, words_of
from ft.report.comparison import TraceSummary
from ft.report.comparison.chart import loss_chart
from ft.report.comparison.junit import render_told
from ft.report.template import template


def render_page(result: SideBySide) -> str:
    """Return the page: what differs between the recipes, the epochs, their losses, and the three figures."""
    losses = zip(*((row.loss_a, row.loss_b) for row in result.epochs), strict=True)
    sides = [
        TraceSummary(name, losses=tuple(float("nan") if loss is None else loss for loss in side))
        for name, side in zip(result.names, losses, strict=False)
    ]
    return template("side_by_side.html.j2").render(
        result=result,
        settings=[(setting.field, words_of(setting.a), words_of(setting.b)) for setting in result.recipes],
        headings=headings(result),
        rows=[cells(row) for row in result.epochs],
        summary=summary(result),
        apart=apart_rows(result),
        losses=loss_chart((sides[0], sides[1]), unit="epoch", first=result.epochs[0].epoch) if sides else None,
    )


def render_xml(result: SideBySide) -> str:
    """Return JUnit XML: a passing case for each figure."""
    recipes = "; ".join(f"{s.field}: {words_of(s.a)} against {words_of(s.b)}" for s in result.recipes)
    return render_told({"recipes": recipes or "alike", **summary(result)}, " and ".join(result.names))
