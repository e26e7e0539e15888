"""A run on text: asked, evaluated and told of in words for texts, in either wing, wherever its network's folder is."""

import csv
import json
import re
import shutil
import sys

import pytest

import ft
from ft.cli import dispatch as cli
from ft.parity.arrays import ZERO, require_equal
from ft.parity.tracing import WINGS, trace_recipe
from ft.parity.verdict import compare_traces
from ft.runs import checkpoint
from ft.system.signals import Interrupted
from parity_tests.support.pairs import STEP
from parity_tests.support.stops import interrupt_after
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
    metrics = opened.evaluate(quiet=True)
    assert metrics["loss"] == pytest.approx(run.metrics["loss"], rel=1e-12)
    assert metrics["top1"] == run.metrics["top1"]
    one, many = opened.predict("the cat"), opened.predict(["dogs sat", "the cat", ("the cat")])
    assert [g.probability for g in one] == pytest.approx([g.probability for g in many[1]], abs=1e-12)
    assert many[1] == many[2] != many[0]
    assert opened.predict(("the cat", "sat")) != one
    with pytest.raises(ft.DataError, match="1: an empty text"):
        opened.predict(["cat", " "])
    with pytest.warns(UserWarning, match="skipped: text 1: 1: an empty text"):
        answers = opened.predict(["dogs sat", " ", "the cat"], on_bad_image="skip")
    assert [each and each[0].label for each in answers] == [many[0][0].label, [], many[1][0].label]


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
    assert "41 texts, " in said.err
    assert "image" not in said.err
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
    assert all(words in page for words in ("<q>", "validation texts", "How long the texts are"))
    assert not re.search(r"\d images|every .* image|the images", page.partition("How it was trained")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ft.Run, "validation_samples", lambda *_: (_ for _ in ()).throw(ft.DataError("gone")))
        with pytest.warns(UserWarning, match="nothing new to show, for gone"):
            run.write_report()
    assert (run.folder / "report.html").read_text() == page


def test_it_goes_on_in_the_other_wing_without_its_networks_folder(tmp_path, monkeypatch):
    """AdamW's slots, the order of the buckets and the noise carry over; the network comes from the run's folder."""
    network, data = tiny_folder(tmp_path / "network"), table(tmp_path / "d.csv")
    fields = {**FIELDS, "epochs": 2, "optimizer": "adamw", "clip_norm": 1.0, "model": network, "data": data}
    whole = ft.finetune(**fields, backend="torch", out=tmp_path / "whole", quiet=True)
    interrupt_after(2, monkeypatch)
    with pytest.raises(Interrupted):
        ft.finetune(**fields, backend="torch", out=tmp_path / "run", quiet=True)
    monkeypatch.undo()
    shutil.rmtree(network)
    run = ft.finetune(resume=tmp_path / "run", backend="tf", quiet=True)
    a, b = (checkpoint.load(checkpoint.pointed(r.folder, "last")) for r in (whole, run))
    require_equal(a.model, b.model, bar=STEP, what="weights")
    require_equal(a.optimizer, b.optimizer, bar=STEP, zero=ZERO, what="slots")


def test_traces_of_text_agree_and_say_their_axes(tmp_path):
    """The layers of both wings, padding on the left, from inference to the update; and a sweep of rates."""
    model, data = tiny_folder(tmp_path / "network", "gpt2"), table(tmp_path / "d.csv")
    recipe = ft.Recipe(**{**FIELDS, "batch_size": 4, "pad_side": "left", "model": model, "data": data})
    traces = [trace_recipe(recipe, tmp_path / wing, backend=wing, steps=1) for wing in WINGS]
    verdict = compare_traces(*traces)
    assert verdict.first is None
    assert {"ids", "mask"} <= {*traces[0].arrays(0, "batch")}
    for trace in traces:
        assert trace.axes("inference", "transformer.h.0.mlp.c_fc", 3) == "NTC"
        assert trace.axes("forward", "transformer.h.0.attn.attn_dropout", 4) == "NGTC"
    assert ft.find_lr(recipe, lr_steps=4, quiet=True).rates[-1] > 0
