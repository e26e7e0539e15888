"""A run on text: asked, evaluated and told of in words for texts, in either wing, wherever its network's folder is."""

import csv
import json
import re
import shutil
import sys

import pytest

import ft
from ft.cli import dispatch as cli
from parity_tests.support.text_runs import FIELDS, table, tiny_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose network's folder is gone."""
    folder = tmp_path_factory.mktemp("text")
    network, data = tiny_folder(folder / "network"), table(folder / "d.csv")
    fields = {**FIELDS, "epochs": 2, "lr": 5e-3, "max_length": 12, "label_smoothing": 0.1}
    done = ft.finetune(**fields, model=network, data=data, backend="torch", out=folder / "run", quiet=True)
    shutil.rmtree(network)
    return done


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_asked_in_either_wing(run, backend):
    opened = ft.Run(run.folder, backend=backend)
    found = opened.evaluate(quiet=True)
    assert found["loss"] == pytest.approx(run.metrics["loss"], rel=1e-12)
    assert found["top1"] == run.metrics["top1"]
    one, many = opened.predict("the cat"), opened.predict(["dogs sat", "the cat", ("the cat")])
    assert [g.probability for g in one] == pytest.approx([g.probability for g in many[1]], abs=1e-12)
    assert many[1] == many[2] != many[0]
    assert opened.predict(("the cat", "sat")) != one
    with pytest.raises(ft.DataError, match="1: an empty text"):
        opened.predict(["cat", " "])
    with pytest.warns(UserWarning, match="skipped: text 1: 1: an empty text"):
        found = opened.predict(["dogs sat", " ", "the cat"], on_bad_image="skip")
    assert [each and each[0].label for each in found] == [many[0][0].label, [], many[1][0].label]


def test_the_commands_speak_of_texts(run, capsys, tmp_path, monkeypatch):
    def main(words):
        monkeypatch.setattr(sys, "argv", ["ft", *words])
        return cli.main()

    monkeypatch.chdir(tmp_path)
    folder, data = str(run.folder), run.recipe.data
    assert main(["predict", folder, "the cat sat", data, "--out", "p.csv", "--json", "--backend", "torch"]) == 0
    said = capsys.readouterr()
    rows = json.loads(said.out)
    assert rows[0]["text"] == "the cat sat"
    assert "41 texts, " in said.err and "image" not in said.err
    with open("p.csv", newline="") as file:
        written = list(csv.reader(file))
    assert written[0][:3] == ["name", "label", "probability"]
    assert [row[:2] for row in written[1:]] == [[row["text"], row["classes"][0]["label"]] for row in rows]
    assert main(["evaluate", folder, "--data", data, "--backend", "torch"]) == 0
    assert "top1" in capsys.readouterr().out
    assert main(["predict", folder, "gone.csv"]) == 2
    assert "gone.csv: does not exist" in capsys.readouterr().err


def test_the_page_quotes_texts_and_keeps_them(run):
    page = (run.folder / "report.html").read_text()
    assert "<q>" in page and "validation texts" in page and "How long the texts are" in page
    assert not re.search(r"\d images|every .* image|the images", page.partition("How it was trained")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ft.Run, "validation_samples", lambda *_: (_ for _ in ()).throw(ft.DataError("gone")))
        with pytest.warns(UserWarning, match="nothing new to show, for gone"):
            run.write_report()
    assert (run.folder / "report.html").read_text() == page
