"""The run folder: never somebody else's, with a log that survives crashes and names that survive a CSV."""

import json
import math
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft.errors import RunError
from ft.runs import folder as runfolder
from ft.runs.folder import Log
from ft.runs.predictions import Prediction, escape, read_predictions, unescape, write_predictions


def make(out=None, *, title="x", backend="tf", **options):
    """Make the folder of a run and return it."""
    with runfolder.new_run(out, title=title, backend=backend, **options) as hold:
        return hold.folder


def test_the_next_free_number(tmp_path):
    made = [make(title="net-digits", backend="torch", root=tmp_path / "runs") for _ in range(3)]
    assert [path.name for path in made] == ["net-digits-torch-001", "net-digits-torch-002", "net-digits-torch-003"]
    assert make(title="net-digits", backend="tf", root=tmp_path / "runs").name == "net-digits-tf-001"


def test_two_that_start_at_once_get_two_folders(tmp_path):
    made, start = [], threading.Barrier(8)

    def race():
        start.wait()
        made.append(make(root=tmp_path / "runs"))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in made) == [f"x-tf-{n:03d}" for n in range(1, 9)]


@pytest.mark.parametrize("title", ["../../etc", "a b\nc", "", "..", "/", "x" * 300, "猫" * 300, ".hidden", "a\0b"])
def test_any_title_makes_a_plain_folder(tmp_path, title):
    path = make(title=title, backend="torch", root=tmp_path / "runs")
    assert path.parent == tmp_path / "runs"
    assert path.is_dir()
    assert path.name.endswith("-torch-001")
    assert not path.name.startswith(".")
    assert path.name.isprintable()
    assert " " not in path.name


def test_an_explicit_folder_is_taken_only_when_empty(tmp_path):
    out = tmp_path / "deep" / "out"
    for _ in range(2):
        assert make(out) == out
    assert os.listdir(out) == [".lock"]
    (out / "b").touch()
    (out / "a").touch()
    with pytest.raises(
        RunError, match=r"out is in use \(it holds a\); choose another --out, or go on with --resume \S+out$"
    ):
        make(out)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(RunError, match=r"^cannot write [^\n]*--out$"):
            make(out)
    with pytest.raises(RunError, match=r"^cannot write [^\n]*--out$"):
        make(root=tmp_path / "file")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(RunError, match="permission denied; choose an --out"):
        make(tmp_path / "new")


def test_the_log_comes_back_with_null_for_what_is_not_finite(tmp_path):
    with Log(tmp_path) as log:
        log.write({"step": 1, "loss": np.float32(0.1), "lr": np.float64(1e-3)})
        assert len(runfolder.read_log(tmp_path)) == 1  # flushed, not buffered until the end
        log.write({"step": 2, "loss": float("nan"), "grad_norm": np.inf})
        log.write({"epoch_end": True, "epoch": 1, "step": 2, "top5": None})
    assert runfolder.read_log(tmp_path) == [
        {"step": 1, "loss": float(np.float32(0.1)), "lr": 1e-3},
        {"step": 2, "loss": None, "grad_norm": None},
        {"epoch_end": True, "epoch": 1, "step": 2, "top5": None},
    ]
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_resumed_log_goes_on_behind_the_checkpoint(tmp_path):
    with Log(tmp_path) as log:
        for step in range(1, 6):
            log.write({"step": step})
    with (tmp_path / "log.jsonl").open("a") as torn:
        torn.write('{"step": 6, "lo')
    assert [row["step"] for row in runfolder.read_log(tmp_path)] == [1, 2, 3, 4, 5]
    with Log(tmp_path) as log:
        log.trim(3)
        log.write({"step": 4, "again": True})
    assert runfolder.read_log(tmp_path) == [{"step": 1}, {"step": 2}, {"step": 3}, {"step": 4, "again": True}]
    assert os.listdir(tmp_path) == ["log.jsonl"]


def test_a_damaged_log_names_the_line(tmp_path):
    with pytest.raises(RunError, match=r"log\.jsonl: No such file.*pass the folder of a run"):
        runfolder.read_log(tmp_path)
    for damage in ("{", "[1]", "\0\0"):
        (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{damage}\n{{"step": 2}}\n')
        with pytest.raises(RunError, match=r"log\.jsonl, line 2: expected a JSON object"):
            runfolder.read_log(tmp_path)


NAMES = [
    "a.png",
    "b,c.png",
    'q"q.png',
    "new\nline\r.png",
    "back\\slash\\n.png",
    "emoji 🐈.png",
    "stray\udce9.png",
    " x ",
    "",
]


def test_predictions_survive_any_name(tmp_path):
    classes = ["no", "1e3", 'c"\n,']
    labels, predicted = np.arange(9) % 3, (np.arange(9) + 1) % 3
    probability = np.linspace(0, 1, 9) ** 3
    write_predictions(tmp_path, NAMES, labels, predicted, probability, classes)
    assert read_predictions(tmp_path) == [
        Prediction(n, classes[y], classes[p], q)
        for n, y, p, q in zip(NAMES, labels, predicted, probability, strict=True)
    ]
    lines = (tmp_path / "predictions.csv").read_text("utf-8").split("\n")
    assert lines[0] == "name,label,predicted,probability"
    assert len(lines) == 1 + 9 + 1  # one image a line


@given(st.text(st.characters(exclude_categories=())))
def test_escape_is_undone(name):
    escaped = escape(name)
    assert unescape(escaped) == name
    assert escaped.isprintable()
    escaped.encode("utf-8")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n",
        b"name,label,predicted,probability\nx,y,z\n",
        b"\xff",
        b"name,label,predicted,probability\nx,y,z,high\n",
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, content):
    with pytest.raises(RunError, match="pass the folder of a finished run"):
        read_predictions(tmp_path / "none")
    (tmp_path / "predictions.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"^\S+predictions\.csv: [^\n]*expected [^\n]*$"):
        read_predictions(tmp_path)


def test_nan_probability_survives(tmp_path):
    write_predictions(tmp_path, ["a"], [0], [0], [np.float32("nan")], ["c"])
    assert math.isnan(read_predictions(tmp_path)[0].probability)


def test_the_result_of_a_run(tmp_path):
    with pytest.raises(RunError, match="is not the folder of a run"):
        runfolder.read_result(tmp_path)
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(RunError, match=r"is not finished .*; go on with --resume "):
        runfolder.read_result(tmp_path)
    with pytest.raises(RunError, match="is not the folder of a run"):
        runfolder.read_result(tmp_path / "log.jsonl")
    for content in (b"{", b"[]", b"\xff"):
        (tmp_path / "model.json").write_bytes(content)
        with pytest.raises(RunError, match=r"model\.json: .*expected"):
            runfolder.read_result(tmp_path)
    (tmp_path / "model.json").write_text('{"head": "fc", "format": 1}')
    assert runfolder.read_result(tmp_path) == {"head": "fc", "format": 1}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-x", "@SUM", "'=x", "''-", "'quoted'", "a=b", "\t=x", "=\n"])
def test_no_name_is_a_formula_in_a_spreadsheet(name, tmp_path):
    write_predictions(tmp_path, [name], [0], [0], [0.5], [name])
    cells = (tmp_path / "predictions.csv").read_text().splitlines()[1].split(",")
    assert not any(cell.lstrip('"')[:1] in tuple("=+-@\t") for cell in cells)
    assert (read_predictions(tmp_path)[0].name, read_predictions(tmp_path)[0].label) == (name, name)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"task": "detection"}, "key 'class_AP': found nothing, expected a list of 2"),
        ({"class_AP": [0.5]}, "key 'class_AP': found a list of 1, expected a list of 2"),
        ({"class_AP": [0.5, "x"]}, "key 'class_AP.1': found"),
        ({"curves": [[0.5], [0.5]]}, "key 'curves.0': found a list of 1"),
        ({"pixel_confusion": [[1, 2], [3]]}, "key 'pixel_confusion': found a list of 1, expected a list of 2"),
        (
            {"lengths": {"max_length": 8, "padded": [8], "train": [1], "val": [], "cut": {"train": 0, "val": 0}}},
            "key 'lengths.val': found a list of 0, expected a list of 1",
        ),
        ({"lengths": {"max_length": 8}}, "key 'lengths.padded': found nothing"),
    ],
)
def test_what_tasks_keep_has_a_value_for_each_class_or_length(said, found, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"format": 1, "classes": ["a", "b"], **said}))
    with pytest.raises(RunError) as caught:
        runfolder.read_result(tmp_path)
    assert found in str(caught.value)
