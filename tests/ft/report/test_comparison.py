"""The reports say whether, where and why, in every form, whatever the names and numbers are."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ft.differences import ENTRIES, Finding
from ft.parity.accepted import Accepted
from ft.parity.finding_id import UNEXPLAINED, finding_id
from ft.parity.trace import Trace
from ft.parity.verdict import Row, Verdict, compare_traces
from ft.report.comparison import Report, TraceSummary, make_report, render_html, render_junit, render_text, to_dict
from ft.weights import write_safetensors

LAYERS = ["conv1", "layer1.0.conv1", "layer1.0.bn1", "layer2.0.conv1", "fc"]
HOSTILE = "<script>alert(1)</script>[red]\x1b[31m\x00\u202e&'\""
ENTRY = next(iter(ENTRIES.values()))
OTHER = list(ENTRIES.values())[1]


def a_row(step, phase, name, relative=1e-16, bar=1e-11, fault=""):
    beyond = 7 if relative > bar else 0
    return Row(step, phase, name, relative, 2 * relative, beyond, 64, bar, fault)


def a_report(differ=(), findings=(), *, steps=2, names=LAYERS, dtype="float64", unpaired=(), **more):
    """Return a report in which `differ`, {(step, phase, name): (relative, fault)}, is what differs."""
    places = [(None, phase, name) for phase in ("weights", "inference") for name in names]
    for step in range(steps):
        places += [(step, "batch", "images"), *((step, "forward", name) for name in names), (step, "loss", "loss")]
        places += [(step, "gradients", name) for name in reversed(names)]
    differing = dict(differ)
    rows = [
        a_row(*place, differing[place][0], fault=differing[place][1]) if place in differing else a_row(*place)
        for place in places
    ]
    losses = tuple(2.0 / (step + 1) for step in range(steps))
    facts = {"dtype": dtype, "recipe": {"model": "resnet18"}, "lr": [0.001] * steps}
    sides = TraceSummary("torch", {**facts, "versions": {"torch": "2.14.1"}}, losses, dict.fromkeys(names, "conv"))
    other = TraceSummary("tf", {**facts, "versions": {"keras": "3.15.1"}}, losses)
    return Report(Verdict(tuple(rows), tuple(unpaired)), tuple(findings), (sides, other), **more)


PLACE = (0, "forward", "layer1.0.bn1")
DIFFERENT = {PLACE: (0.25, ""), (0, "forward", "fc"): (math.inf, "3 elements are finite on one side only")}


def first_line(report):
    return render_text(report).splitlines()[0]


def test_the_first_line_says_it():
    assert first_line(a_report()) == "EQUAL: all 34 arrays of torch and tf agree within the float64 bars"
    assert first_line(a_report(DIFFERENT)) == "DIFFERENT: torch and tf part at step 0, forward, layer1.0.bn1"
    before = a_report({(None, "inference", "conv1"): (1, "")})
    assert first_line(before) == "DIFFERENT: torch and tf part before the first step, inference, conv1"
    assert first_line(Report(Verdict(()), (), a_report().sides)).startswith("NOTHING COMPARED")


def test_too_little_compared_is_no_plain_equal():
    fault = "12 of 40 operations of tf were compared by their values"
    row = Row.unmeasured(None, "coverage", "tf.operations", fault)
    little = Finding("coverage", None, "coverage", "tf.operations", math.inf, fault)
    equal = a_report()
    report = replace(equal, verdict=Verdict((*equal.verdict.rows, row)), findings=(little,))
    assert squeezed(f"PARTLY EQUAL: what was compared of torch and tf agrees, but {fault}") in squeezed(
        render_text(report)
    )
    assert (report.passed, to_dict(report)["verdict"]) == (False, "partly compared")
    page = render_html(report)
    assert "<b>Partly compared</b>: torch and tf agree in that part" in page
    assert fault in page
    assert [case.get("name") for case in ET.fromstring(render_junit(report)).iter("testcase") if len(case)] == [
        "coverage@tf.operations"
    ]
    assert replace(report, accepted=Accepted({"coverage": "the rest is dead code"})).passed
    differs = replace(report, verdict=Verdict((*a_report(DIFFERENT).verdict.rows, row)))
    assert first_line(differs).startswith("DIFFERENT: torch and tf part at step 0")


def test_the_size_of_the_first_difference_beside_bar_and_noise():
    text = render_text(a_report(DIFFERENT, noise=({PLACE: 1e-7}, {PLACE: 2e-7})))
    for words in (
        "0.25",
        "bar 1e-11",
        "1.11e-16",
        "0.5",
        "7 of 64 elements",
        "torch 1e-07, tf 2e-07",
        "2 of 34 arrays",
    ):
        assert words in text
    assert "1.25e+06 times as large" in text
    assert "not measured" in render_text(a_report(DIFFERENT))
    lost = a_report({PLACE: (1e-8, "")}, noise=({PLACE: 1e-7}, {PLACE: 2e-7}))
    assert "lost in it" in render_text(lost)


def test_what_cannot_be_subtracted_says_why():
    text = render_text(a_report({PLACE: (math.inf, "3 elements are finite on one side only")}))
    assert "3 elements are finite on one side only" in text.splitlines()[1]
    assert "relative difference" not in text


def test_a_cause_at_or_before_the_first_difference_explains_it():
    for place in (PLACE, (None, "inference", "fc"), (0, "batch", "images"), (None, "weights", "fc")):
        report = a_report(DIFFERENT, [Finding(ENTRY.name, *place, 0.25, "one has 2, the other 3")])
        assert report.explained
        text = render_text(report)
        assert f"Cause 1: {ENTRY.title}" in text
        assert "one has 2, the other 3" in text
        assert "not in the catalogue" not in text
        assert ENTRY.title in ET.fromstring(render_junit(report)).find(".//failure").text
        for field in (ENTRY.mend_torch, ENTRY.mend_tf):
            assert squeezed(field) in squeezed(text)


def test_different_pixels_explain_an_inference_that_comes_before_them():
    pixels = Finding(ENTRY.name, 0, "batch", "images", 0.1)
    assert a_report({(None, "inference", "conv1"): (1, "")}, [pixels]).explained
    assert not a_report({(None, "weights", "fc"): (1, "")}, [pixels]).explained


@pytest.mark.parametrize("findings", [[], [Finding(ENTRY.name, 0, "gradients", "fc", 0.1, "found")]])
def test_a_first_difference_without_a_cause_is_said_to_have_none(findings):
    report = a_report(DIFFERENT, findings)
    assert not report.explained
    assert "Cause not in the catalogue: step 0, forward, layer1.0.bn1" in render_text(report)
    assert to_dict(report)["cause"] == "cause not in the catalogue"
    assert "Cause not in the catalogue" in render_html(report)
    assert "because of" not in render_html(report)
    assert "cause not in the catalogue: step 0, forward, layer1.0.bn1" in render_junit(report)
    assert ("explain only what comes after it" in render_text(report)) == bool(findings)


def test_a_likely_cause_is_called_likely_everywhere():
    report = a_report(DIFFERENT, [Finding(ENTRY.name, *PLACE, 0.25, certain=False)])
    text, page = render_text(report), render_html(report)
    assert f"Likely cause 1: {ENTRY.title}" in text
    assert "would explain" in text
    assert not re.search(r"(?<!Likely )\bCause 1", text)
    assert "likely because of" in page
    assert to_dict(report)["cause"].startswith("Likely cause")
    assert "Likely cause, " in render_junit(report)


def test_two_causes_stand_in_the_order_of_computation_the_certain_one_first():
    late, early = Finding(ENTRY.name, 1, "forward", "fc", 1), Finding(OTHER.name, *PLACE, 1)
    assert [cause.entry.name for cause in a_report(DIFFERENT, [late, early]).causes] == [OTHER.name, ENTRY.name]
    likely = Finding(ENTRY.name, *PLACE, 1, certain=False)
    assert [cause.entry.name for cause in a_report(DIFFERENT, [likely, early]).causes] == [OTHER.name, ENTRY.name]


def test_a_cause_of_unknown_name_is_shown_by_its_name():
    report = a_report(DIFFERENT, [Finding("of-tomorrow", *PLACE, 0.25, "what was found")])
    for text in (render_text(report), render_html(report), render_junit(report), json.dumps(to_dict(report))):
        assert "of-tomorrow" in text
        assert "what was found" in text


def test_what_limits_the_verdict_is_said():
    text = render_text(a_report(dtype="float32", unpaired=[f"forward x{i}" for i in range(13)], notes=["dropout is 0"]))
    assert "float64 proves" in text
    assert "in one trace only" in text
    assert "and 3 more" in text
    assert "dropout is 0" in text


def hostile_report():
    """A report with a hostile name wherever a stranger's word can stand."""
    names = [f"{HOSTILE}{i}" for i in range(5)]
    place = (0, "forward", names[2])
    report = a_report(
        {place: (0.25, ""), (0, "forward", names[3]): (math.inf, HOSTILE)},
        [Finding(HOSTILE, *place, 0.1, HOSTILE), Finding(ENTRY.name, *place, 0.1, HOSTILE, certain=False)],
        names=names,
        unpaired=[HOSTILE],
        notes=(HOSTILE,),
        pairing=((HOSTILE, HOSTILE),),
    )
    facts = {HOSTILE: HOSTILE, "list": [HOSTILE, 1], "deep": {HOSTILE: {HOSTILE: HOSTILE}}}
    sides = [
        TraceSummary(HOSTILE, {**side.facts, **facts}, side.losses, dict.fromkeys(names, HOSTILE))
        for side in report.sides
    ]
    return replace(report, sides=tuple(sides))


def test_text_fits_and_has_no_control_characters_unless_colour_is_asked_for():
    for report in (a_report(), a_report(DIFFERENT, [Finding(ENTRY.name, *PLACE, 0.25)]), hostile_report()):
        text = render_text(report)
        assert max(map(len, text.splitlines())) <= 100
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
        assert "\x1b[" in render_text(report, color=True)
    assert "[red]" in render_text(hostile_report())
    long = a_report({(0, "forward", "x" * 300): (1, "")}, names=["x" * 300])
    assert max(map(len, render_text(long).splitlines())) <= 100


BN2 = (0, "forward", "layer2.0.conv1")
BOTH = [Finding(ENTRY.name, *PLACE, 0.25, "found"), Finding(ENTRY.name, *BN2, 0.5), Finding(OTHER.name, *BN2, 0.5)]


def accepting(*ids, findings=BOTH, **more):
    differ = {PLACE: (0.25, ""), BN2: (0.5, "")}
    return a_report(differ, findings, accepted=Accepted(dict.fromkeys(ids, "agreed"), "parity.yaml"), **more)


@pytest.mark.parametrize(
    ("ids", "status", "first", "left"),
    [
        ((), "different", PLACE, 3),
        ((f"{ENTRY.name}@layer1.0.bn1",), "different", BN2, 2),
        ((ENTRY.name,), "different", BN2, 1),
        ((OTHER.name,), "different", PLACE, 2),
        ((ENTRY.name, f"{OTHER.name}@layer2.0.conv1"), "accepted", None, 0),
    ],
)
def test_the_verdict_is_over_what_is_not_accepted(ids, status, first, left):
    report = accepting(*ids)
    assert (report.status, report.first and (report.first.step, report.first.phase, report.first.name)) == (
        status,
        first,
    )
    suite = ET.fromstring(render_junit(report))[0]
    assert (suite.get("failures"), suite.get("skipped")) == (str(left), str(3 - left))
    assert to_dict(report)["passed"] == (left == 0)
    assert first_line(report).startswith(status.upper())
    page = Page(render_html(report)).text
    for item in report.let_pass:
        assert finding_id(item) in page
        assert f"accepted: {finding_id(item)}" in " ".join(render_text(report).split())


def test_an_accepted_difference_hides_none_that_begins_elsewhere():
    origin = Finding(UNEXPLAINED, *BN2, 0.5)
    report = accepting(ENTRY.name, findings=BOTH[:1], origins=[origin])
    assert report.status == "different"
    assert "Cause not in the catalogue: step 0, forward, layer2.0.conv1" in render_text(report)
    assert accepting(ENTRY.name, "unexplained@layer2.0.conv1", findings=BOTH[:1], origins=[origin]).passed


def test_accepted_and_gone_is_told():
    assert "accepted and gone: no-such@conv1; take it out of parity.yaml" in render_text(accepting("no-such@conv1"))
    assert to_dict(accepting("no-such@conv1"))["accepted_and_gone"] == ["no-such@conv1"]


def squeezed(text):
    return re.sub(r"\s", "", text)


def write_trace(folder, backend, *, off=0.0):
    """Write a trace of one layer and one step by hand."""
    folder.mkdir()
    arrays = {"fc": np.arange(6.0).reshape(2, 3) + off, "fc<0": np.ones((2, 4)), "logits": np.ones((2, 3))}
    weight = {"fc.weight": np.ones((3, 4))}
    phases = {"weights": weight, "inference": {**arrays, "fc": arrays["fc"] - off}, "step-000-forward": arrays}
    phases |= {"step-000-batch": {"images": np.ones((2, 2))}, "step-000-loss": {"loss": np.array(1.5)}}
    phases |= {"step-000-statistics": {}, "step-000-gradients": weight}
    for name, content in phases.items():
        write_safetensors(folder / f"{name}.safetensors", content, {})
    call = {"kind": "linear", "path": "fc", "inputs": [""], "settings": {}}
    layers = {"inference": {"fc": call}, "forward": {"fc": call}}
    facts = {
        "format": 1,
        "backend": backend,
        "dtype": "float64",
        "steps": 1,
        "update": False,
        "parameters": ["fc.weight"],
    }
    (folder / "trace.json").write_text(json.dumps({**facts, "layers": layers, "lr": [0.1]}))
    return Trace(folder)


@pytest.mark.parametrize(("backends", "names"), [(("torch", "tf"), "torch and tf"), (("tf", "tf"), "tf A and tf B")])
def test_a_report_of_two_traces(tmp_path, backends, names):
    a, b = (
        write_trace(tmp_path / letter, backend, off=i)
        for i, (letter, backend) in enumerate(zip("ab", backends, strict=True))
    )
    report = make_report(a, b, compare_traces(a, b), [])
    assert first_line(report) == f"DIFFERENT: {names} part at step 0, forward, fc"
    assert report.sides[0].losses == (1.5,)
    assert report.sides[0].kinds == {"fc": "linear"}
    assert "layers" not in report.sides[0].facts
    assert to_dict(make_report(a, a, compare_traces(a, a), []))["equal"]


class Page(HTMLParser):
    """What stands in a page: its tags, balanced, and its text."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
