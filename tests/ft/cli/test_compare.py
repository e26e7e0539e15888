"""ft compare as a CI server calls it: what is accepted, what files are left, what is refused."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ft.cli.dispatch import dispatch
from ft.errors import RecipeError, RunError
from ft.parity.trace import file_name
from ft.weights import write_safetensors

SOURCES = {"left": "", "right": "", "end": "right"}  # two branches, and a layer after one of them


def write_trace(folder, off=()):
    """Write a trace of three layers; those in `off` give other numbers, and so does what comes after them.

    "weight" in `off`: the last layer's starts elsewhere.
    """
    folder.mkdir()
    given = np.arange(8.0).reshape(2, 4)
    arrays = {f"{name}<0": given for name, source in SOURCES.items() if not source}
    for name, source in SOURCES.items():
        arrays[name] = (arrays[source] if source else given) + (name in off)
    weight = {"end.weight": np.ones((3, 4))}
    start = {"end.weight": weight["end.weight"] + ("weight" in off)}
    phases = {(None, "weights"): start, (None, "inference"): arrays, (0, "forward"): arrays}
    phases |= {(0, "batch"): {"images": given}, (0, "loss"): {"loss": np.array(1.5)}}
    phases |= {(0, "statistics"): {}, (0, "gradients"): weight}
    for (step, phase), named in phases.items():
        write_safetensors(folder / file_name(step, phase), named, {})
    calls = {
        name: {"kind": "other", "path": name, "inputs": [source], "settings": {}, "axes": "NC", "input_axes": ["NC"]}
        for name, source in SOURCES.items()
    }
    facts = {"format": 2, "backend": "torch", "dtype": "float64", "steps": 1, "update": False, "lr": [0.1]}
    layers = {"inference": calls, "forward": calls}
    (folder / "trace.json").write_text(json.dumps({**facts, "layers": layers, "parameters": ["end.weight"]}))
    return str(folder)


@pytest.fixture
def compared(tmp_path, monkeypatch, capsys):
    """Compare a trace with one that is off in some layers; return exit code and verdict."""
    monkeypatch.chdir(tmp_path)
    a = write_trace(tmp_path / "a")

    def run(off, *flags):
        name = "b-" + "-".join(off)
        b = tmp_path / name if (tmp_path / name).exists() else write_trace(tmp_path / name, off)
        code = dispatch(["compare", a, str(b), "--json", *flags])
        return code, json.loads(capsys.readouterr().out)

    return run


def ids(said):
    return [(finding["id"], finding["accepted"]) for finding in said["findings"]]


def test_every_place_where_a_difference_begins_has_an_id_and_what_only_follows_has_none(compared):
    code, said = compared(["left", "right"])
    assert (code, ids(said)) == (1, [("unexplained@left", None), ("unexplained@right", None)])
    assert ids(compared(["right", "end"])[1]) == [("unexplained@right", None)]
    assert ids(compared(["weight", "end"])[1]) == [("unexplained@weights/end.weight", None)]


def test_what_is_accepted_passes_and_nothing_else(compared, tmp_path):
    assert compared(["left"], "--accept", "unexplained@left")[0] == 0
    code, said = compared(["left", "right"], "--accept", "unexplained@left", "--junit", "x.xml")
    assert (code, said["first"]["name"]) == (1, "right")
    cases = {case.get("name"): [child.tag for child in case] for case in ET.parse(tmp_path / "x.xml").iter("testcase")}
    assert (cases["unexplained@left"], cases["unexplained@right"]) == (["skipped"], ["failure"])
    assert cases["loss"] == []


def test_the_file_of_what_is_accepted_is_written_read_and_told_when_it_is_out_of_date(compared, tmp_path):
    code, said = compared(["left", "right"], "--write-accept")
    assert (code, said["verdict"]) == (0, "accepted")
    file = tmp_path / "parity.yaml"
    file.write_text(file.read_text().replace("left: no reason said yet", "left: as in the paper"))
    code, said = compared(["left"])
    assert (code, ids(said)) == (0, [("unexplained@left", "as in the paper")])
    assert said["accepted_and_gone"] == ["unexplained@right"]
    compared(["left"], "--write-accept")
    assert "as in the paper" in file.read_text()
    assert "right" not in file.read_text()
    assert compared(["end"], "--accepted", str(file))[0] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accept: [unexplained@left]", "expected `accept:`"),
        ("accpt: {a@b: why}", "expected `accept:`"),
        ("accept: {a@b: }", "'a@b' has no reason"),
        ("accept: {unexplained: why}", "'unexplained' names no difference"),
        ("accept: {operation: why}", "'operation' names no difference"),
        ("accept: {", "parity.yaml: "),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused(compared, tmp_path, text, words):
    (tmp_path / "parity.yaml").write_text(text)
    with pytest.raises(RecipeError, match=words):
        compared(["left"])


def test_page_and_junit_are_written_of_a_refusal_too(compared, tmp_path):
    write_trace(tmp_path / "b-left")
    (tmp_path / "b-left" / "step-000-loss.safetensors").unlink()
    with pytest.raises(Exception, match="lacks step-000-loss"):
        compared(["left"], "--html", "x.html", "--junit", "x.xml", "--out", "kept")
    for place in (tmp_path / "x.xml", tmp_path / "kept" / "junit.xml"):
        assert "lacks step-000-loss" in ET.parse(place).find(".//error").get("message")
    for place in (tmp_path / "x.html", tmp_path / "kept" / "report.html"):
        assert "Refused" in place.read_text()
    assert json.loads((tmp_path / "kept" / "verdict.json").read_text())["verdict"] == "refused"


def test_where_a_comparison_was_refused_the_next_one_takes_its_place(compared, tmp_path):
    loss = tmp_path / "b-left" / "step-000-loss.safetensors"
    write_trace(tmp_path / "b-left")
    content = loss.read_bytes()
    loss.unlink()
    for _ in range(2):
        with pytest.raises(RunError, match="lacks step-000-loss"):
            compared(["left"], "--out", "kept")
    loss.write_bytes(content)
    assert compared(["left"], "--out", "kept")[1] == json.loads((tmp_path / "kept" / "verdict.json").read_text())
    with pytest.raises(RunError, match=r"kept is in use \(it holds junit.xml\); choose another --out, or remove kept"):
        compared(["left"], "--out", "kept")


@pytest.mark.parametrize("flag", ["--html", "--junit"])
def test_a_place_that_cannot_be_written_is_told_first(compared, tmp_path, flag):
    for place, message in (("nowhere/x", f"{flag} nowhere/x: there is no folder nowhere; make it"), (".", "a folder")):
        with pytest.raises(RecipeError, match=message):
            compared(["left"], flag, place)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_use_is_left_as_it_is(compared, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with pytest.raises(Exception, match="mine"):
        compared(["left"], "--out", "mine", "--junit", "x.xml")
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["x"]
    assert (tmp_path / "x.xml").exists()


@pytest.mark.parametrize("flag", [["--lr", "0.1"], ["--steps", "3"], ["--sensitivity"], ["--classes", "3"]])
def test_flags_that_would_be_passed_over_are_refused(compared, flag):
    with pytest.raises(RecipeError, match=f"{flag[0]} cannot be had with two traces"):
        compared(["left"], *flag)
