"""The page and its charts, the JSON and the JUnit file of a comparison, whatever the names and numbers are."""

import json
import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft.differences import Finding
from ft.parity.foreign.picture import Join, Picture
from ft.parity.verdict import Row, Verdict
from ft.report.chart import HEIGHT
from ft.report.comparison import Report, TraceSummary, render_html, render_junit, render_text, to_dict
from ft.report.comparison.chart import error_charts, height, loss_chart
from ft.report.comparison.columns import columns
from ft.report.comparison.data import WORST
from tests.ft.report.test_comparison import (
    DIFFERENT,
    ENTRY,
    LAYERS,
    OTHER,
    PLACE,
    Page,
    a_report,
    hostile_report,
)


def test_the_page_is_whole_escaped_and_needs_nothing_else():
    for report in (a_report(), a_report(DIFFERENT), hostile_report(), Report(Verdict(()), (), a_report().sides)):
        page = Page(source := render_html(report))
        assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
        assert not {"src", "href", "onerror", "onload", "xlink:href"} & {name for name, _ in page.attributes}
        assert "//" not in source
        assert "url(" not in source
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", source)
        assert report.status.capitalize() in page.text
    assert Page(render_html(hostile_report())).text.count("<script>alert(1)</script>") > 20


def test_operations_are_two_columns_joined_and_coloured_by_error():
    joins = Join(0, 0, 0.0), Join(1, 2, 2.5e-4), Join(2, 3, 0.25)
    picture = Picture(("conv", "bn <b>", "gelu", "drop"), ("Conv2D", "BiasAdd", "FusedBatchNorm", "Erf"), joins)
    page = Page(render_html(a_report(DIFFERENT, operations=picture)))
    drawn = columns(picture)
    assert [(line.kind, line.said) for line in drawn.lines] == [
        ("joined", ""),
        ("slight", "0.00025"),
        ("parted", "0.25"),
    ]
    assert [label.kind for label in drawn.labels] == [
        "joined",
        "slight",
        "parted",
        "lone",
        "joined",
        "lone",
        "slight",
        "parted",
    ]
    assert drawn.lines[1].start < drawn.lines[1].end
    for words in ("bn <b>", "FusedBatchNorm", "0.25 apart", "without a partner 1 of 4 in torch"):
        assert words in " ".join(page.text.split())


def test_the_page_shows_verdict_causes_facts_and_losses():
    report = a_report(
        DIFFERENT, [Finding(ENTRY.name, *PLACE, 0.25)], pairing=(("conv1", "conv2d_1"),), notes=["a note"]
    )
    text = Page(render_html(report)).text
    for words in (ENTRY.title, ENTRY.mend_torch, ENTRY.mend_tf, "2.14.1", "3.15.1", "0.001 each time", "recipe model"):
        assert words in text
    for words in (
        "float32 rounding",
        "float64 rounding",
        "bar 1e-11",
        "step 1",
        "conv2d_1",
        "a note",
        "furthest apart",
    ):
        assert words in text


def test_a_long_trace_shows_the_steps_that_matter():
    text = Page(render_html(a_report({(50, "forward", "fc"): (1, "")}, steps=100))).text
    shown = [int(step) for step in re.findall(r"^step (\d+)$", text, re.MULTILINE)]
    assert {0, 1, 2, 49, 50, 51, 99} <= set(shown)
    assert 30 not in shown[:8]


def test_charts_show_every_array_between_its_floors():
    report = a_report(DIFFERENT, [Finding(ENTRY.name, *PLACE, 0.25), Finding(OTHER.name, 0, "forward", "fc", 0.1)])
    charts = {chart.title: chart for chart in error_charts(report)}
    assert list(charts) == ["Inference, before the first step", "Forward pass in training, step 0", "Gradients, step 0"]
    for chart in charts.values():
        assert len(chart.dots) == len(LAYERS)
        assert [floor.label for floor in chart.floors] == ["float32 rounding", "bar 1e-11", "float64 rounding"]
        assert all(0 < dot.y < HEIGHT for dot in chart.dots)
        assert [dot.x for dot in chart.dots] == sorted(dot.x for dot in chart.dots)
    forward = charts["Forward pass in training, step 0"]
    assert [dot.kind for dot in forward.dots] == ["good", "good", "bad", "good", "bad"]
    assert [mark.label for mark in forward.marks] == ["first difference, cause 1: layer1.0.bn1", "cause 2"]
    assert charts["Gradients, step 0"].dots[0].label.startswith("conv1")  # from input to output, not as computed


def test_the_error_axis_is_logarithmic_and_closed():
    ys = [height(relative) for relative in (math.inf, 1e3, 1, 1e-6, 1e-12, 1e-17, 0)]
    assert ys == sorted(ys)
    assert height(1) - height(1e-6) == pytest.approx(height(1e-6) - height(1e-12))
    assert ys[0] == height(math.nan)


@pytest.mark.parametrize("losses", [(), (math.nan,), (math.inf, math.nan)])
def test_no_finite_loss_no_chart(losses):
    assert loss_chart((TraceSummary("a", losses=losses), TraceSummary("b", losses=losses))) is None


@pytest.mark.parametrize("losses", [(1.0,), (0.0, 0.0), (2.0, math.nan, 1.0), (1e-300, 2e-300), (1e300, -1e300)])
def test_any_losses_give_a_chart(losses):
    chart = loss_chart((TraceSummary("a", losses=losses), TraceSummary("b", losses=losses[:1])))
    assert all(0 <= dot.y <= HEIGHT for dot in chart.dots)
    assert all(0 <= tick.at <= HEIGHT for tick in chart.y_ticks)
    assert len(chart.y_ticks) < 8


def test_data_is_valid_json_and_says_the_same():
    report = a_report(DIFFERENT, [Finding(ENTRY.name, *PLACE, math.inf, "found")])
    data = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert data["verdict"] == "different"
    assert data["equal"] is False
    assert (data["arrays"], data["differ"]) == (34, 2)
    assert data["first"]["name"] == "layer1.0.bn1"
    assert (data["first"]["relative"], data["first"]["bar"]) == (0.25, 1e-11)
    assert data["causes"][0]["mend_tf"] == ENTRY.mend_tf
    assert data["causes"][0]["error"] is None
    assert data["worst"][0]["relative"] is None
    assert data["worst"][0]["fault"]
    assert len(data["worst"]) == WORST
    assert to_dict(a_report())["equal"] is True
    assert to_dict(Report(Verdict(()), (), a_report().sides))["equal"] is False


def test_junit_has_a_case_for_every_finding_and_for_every_phase_that_agrees():
    report = a_report(DIFFERENT, [Finding(ENTRY.name, *PLACE, 0.25, "found")])
    suite = ET.fromstring(render_junit(report))[0]
    cases = suite.findall("testcase")
    assert (suite.get("tests"), suite.get("failures")) == (str(len(cases)), "1") == ("10", "1")
    failed = [case for case in cases if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == [f"{ENTRY.name}@layer1.0.bn1"]
    failure = failed[0].find("failure")
    assert failure.get("message").startswith("step 0, forward, layer1.0.bn1: relative 0.25 above 1e-11")
    assert "3 elements are finite on one side only" in failure.text
    assert f"Cause, step 0, forward, layer1.0.bn1: {ENTRY.title} (found)" in failure.text
    assert ET.fromstring(render_junit(a_report()))[0].get("failures") == "0"


def test_junit_of_nothing_fails_and_hostile_names_are_harmless():
    nothing = Report(Verdict(()), (), a_report().sides)
    assert ET.fromstring(render_junit(nothing))[0].get("failures") == "1"
    root = ET.fromstring(render_junit(hostile_report()).encode())
    assert "<script>alert(1)</script>" in root.find(".//failure").text


words = st.text(max_size=20)


sizes = st.floats(min_value=0, allow_nan=False) | st.just(math.inf)


rows = st.builds(
    Row,
    st.none() | st.integers(0, 20),
    st.sampled_from(["weights", "inference", "batch", "forward", "statistics", "loss", "gradients", "updates"]),
    words,
    sizes,
    sizes,
    st.integers(0, 9),
    st.integers(0, 9),
    st.floats(0, 1),
    words,
    st.booleans(),
)


@settings(max_examples=40)
@given(st.lists(rows, max_size=12), st.lists(words, max_size=3), st.lists(st.floats(), max_size=4), words)
def test_anything_can_be_reported(drawn, unpaired, losses, name):
    places = [(row.step, row.phase, row.name) for row in drawn[:2]]
    findings = [Finding(name, *place, 0.1, name) for place in places]
    sides = (
        TraceSummary(name, {"dtype": "float64", name: losses}, tuple(losses)),
        TraceSummary("tf", {"dtype": "float64"}, (1.0,)),
    )
    noise = dict.fromkeys(places, 1e-07)
    report = Report(Verdict(tuple(drawn), tuple(unpaired)), tuple(findings), sides, (noise, noise), (name,))
    render_text(report).encode()
    render_html(report).encode()
    ET.fromstring(render_junit(report).encode())
    json.dumps(to_dict(report), allow_nan=False)
