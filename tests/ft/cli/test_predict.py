"""`ft predict`: lines, JSON, a CSV that can be read back, and what is left out."""

import csv
import json
import re
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest

import ft
from ft.cli import dispatch as cli
from ft.cli.predict import names_below, top_of
from ft.runs.predictions import unescape

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "lr": 0.5, "quiet": True}


@pytest.fixture
def predict(fake_wing, write_images, tmp_path, monkeypatch, capsys):
    """Run `ft predict` in tmp_path on a run, and return its exit code, what it printed, and said."""
    ft.finetune(data=str(write_images(classes=("=cat", "dog"))), out=tmp_path / "run", epochs=4, **NET)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.png").write_text("")
    capsys.readouterr()

    def predict(*words):
        monkeypatch.setattr(sys, "argv", ["ft", "predict", "run", *map(str, words)])
        return cli.main(), *capsys.readouterr()

    return predict


RATE = r"[\d.e+]+ images/s"


def test_lines_and_json_in_the_order_of_the_words(predict):
    words = ("pets/dog/1.png", "pets/*cat/[01].png", "pets/dog")
    code, out, err = predict(*words, "--top", "1")
    names = [line.split()[0] for line in out.splitlines()]
    assert code == 0
    assert names == [
        "pets/dog/1.png",
        *(f"pets/=cat/{i}.png" for i in (0, 1)),
        *(f"pets/dog/{i}.png" for i in range(8)),
    ]
    assert re.fullmatch(rf"predicting 11 images\n11 images, {RATE}\n", err)
    rows = json.loads(predict(*words, "--json")[1])
    assert [row["image"] for row in rows] == names
    assert [c["label"] for c in rows[0]["classes"]] == ["dog", "=cat"]
    assert out.splitlines()[0].split()[1:] == ["dog", f"{rows[0]['classes'][0]['probability']:.3f}"]


def test_a_csv_is_read_back(predict, tmp_path):
    evil = tmp_path / "=1+\n.png"
    evil.write_bytes((tmp_path / "pets/=cat/0.png").read_bytes())
    code, out, _ = predict(evil.name, "pets/dog", "--out", "preds.csv")
    assert (code, out) == (0, "preds.csv\n")
    with open("preds.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "label", "probability", "label_2", "probability_2"]
    assert rows[0][:2] == ["'=1+\\n.png", "'=cat"]
    paths = [evil.name, *(f"pets/dog/{i}.png" for i in range(8))]
    for (name, *cells), path, guesses in zip(rows, paths, ft.Run("run").predict(paths), strict=True):
        assert unescape(name) == path
        best = [(g.label, g.probability) for g in guesses]
        assert [(unescape(cells[0]), float(cells[1])), (unescape(cells[2]), float(cells[3]))] == best
    before = (tmp_path / "preds.csv").read_bytes()
    assert predict("pets", "--out", "preds.csv")[0] == 2
    assert predict("pets", "bad.png", "--out", "preds.csv", "--force")[0] == 2
    assert (tmp_path / "preds.csv").read_bytes() == before, "nothing half done"
    assert predict("pets/dog/0.png", "--out", "preds.csv", "--force")[0] == 0
    assert (tmp_path / "preds.csv").read_text().count("\n") == 2


def test_a_bad_image_ends_the_command_or_is_left_out(predict):
    code, _, err = predict("pets/dog/0.png", "bad.png")
    assert (code, err.splitlines()[-1]) == (
        2,
        "error: bad.png: empty file; copy it again, or leave it out with --on-bad-image skip",
    )
    code, out, err = predict("bad.png", "gone.png", "pets/dog/0.png", "--on-bad-image", "skip", "--json")
    assert (code, [row["image"] for row in json.loads(out)]) == (0, ["pets/dog/0.png"])
    said = err.splitlines()
    assert said[1].startswith("skipped: bad.png: empty file; ")
    assert said[2] == "skipped: gone.png: does not exist; correct the path"
    assert re.fullmatch(rf"1 image, {RATE}, 2 skipped", said[3])
    code, out, err = predict("bad.png", "--on-bad-image", "skip", "--out", "preds.csv")
    assert (code, out, err.splitlines()[-1]) == (
        2,
        "",
        "error: none of 1 image can be used; mend what is named above",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.png"], "gone.png: does not exist; correct the path"),
        (["http://a.org/x.png"], "'http://a.org/x.png' is a URL; download it and pass the file"),
        (["run/checkpoints"], "run/checkpoints: no images at any depth"),
        (["pets", "--out", "pets"], "pets is a folder; choose a file as --out, such as preds.csv"),
        (["pets", "--out", "bad.png"], "bad.png exists; choose another --out, or replace it with --force"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(predict, words, said):
    code, out, err = predict(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {said}")


def test_label_sets_in_a_csv(fake_wing, write_sets, tmp_path, capsys):
    run = ft.finetune(data=str(write_sets()), out=tmp_path / "run", epochs=8, loss="bce", **NET)
    out, images = tmp_path / "preds.csv", [tmp_path / f"sets/{i:03}.png" for i in (0, 3)]
    assert cli.dispatch(["predict", str(run.folder), *map(str, images), "--out", str(out), "--top", "1"]) == 0
    header, none, both = csv.reader(out.read_text().splitlines())
    assert header == ["name", "label", "probability"]
    assert none == [str(images[0]), "", ""]
    _, guesses = run.predict(images, top=1)
    assert both == [str(images[1]), "|".join(g.label for g in guesses), "|".join(repr(g.probability) for g in guesses)]
    assert {g.label for g in guesses} == {"red", "green"}


def test_json_has_every_class_of_a_mask():
    masks, labels = (SimpleNamespace(task=SimpleNamespace(name=n), classes="abcde") for n in ("segmentation", "other"))
    cases = ((None, True, masks), (None, True, labels), (None, False, masks), (2, True, masks))
    assert [top_of(Namespace(top=top, json=json), run) for top, json, run in cases] == [5, 3, 3, 2]


def test_masks_are_named_without_what_all_images_share():
    assert names_below(["/data/a/1.jpg"]) == ["1"]
    assert names_below(["/data/a/1.jpg", "/data/b/c/1.png"]) == ["a/1", "b/c/1"]
    assert names_below(["/data/1.jpg", "/data/1.png"]) == ["1.jpg", "1.png"]
    assert names_below(["../x/1.jpg", "2.jpg"])[1].endswith("/2")
