"""The commands: a user's mistake is one line, exit code 2, before a framework is loaded, and leaves nothing behind."""

import json
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from ft import zoo
from ft.cli import dispatch as cli
from ft.cli.parser import flag_of
from ft.cli.train import train_parser
from ft.recipe import FIELDS
from tests.ft.cli.conftest import NET
from tests.oracle import needs_torch

pytestmark = needs_torch  # the commands look for the framework that they name
ROOT = Path(__file__).parents[3]


def run(code, *arguments, cwd):
    """Run a program in a fresh process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
    )


# ---- what works


def test_a_training_leaves_a_run_and_prints_its_result(train, write_images, here):
    code, printed, lines = train("--data", write_images(), "--out", "out", "--lr", "1e-2")
    assert (code, lines) == (0, [])
    assert printed.startswith("top1 ")
    assert printed.endswith(" s\nout\n")
    names = {
        "recipe.yaml",
        "log.jsonl",
        "predictions.csv",
        "curves.png",
        "confusion.png",
        "report.html",
        "model.safetensors",
        "model.json",
        "checkpoints",
        ".lock",
    }
    assert {path.name for path in (here / "out").iterdir()} == names
    assert json.loads((here / "out/model.json").read_text())["recipe"]["lr"] == 0.01


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_a_training_ends_with_its_report_and_whole_commands(train, write_images, here, capsys, backend):
    net = [word for word in NET if word != "--quiet"]
    code, _, lines = train("--data", write_images("Ann's pets"), "--out", "my run", net=net, backend=backend)
    assert code == 0
    assert lines[-3] == "report: my run/report.html"
    predict, export = (shlex.split(line.removeprefix("next: ft ")) for line in lines[-2:])
    assert cli.dispatch(predict) == 0
    assert capsys.readouterr().out.startswith(f"{predict[-1]}  ")
    assert export == ["export", "my run", "--format", {"torch": "torch-export", "tf": "savedmodel"}[backend]]
    code, _, lines = train("--resume", "my run", "--epochs", "3", net=[], backend="torch")
    wing = {"torch": "in PyTorch", "tf": "in PyTorch, until there in Keras"}[backend]
    assert (code, lines[0]) == (0, f"goes on at step 7, in epoch 3 of 3, {wing}")


def test_flags_win_over_the_file_and_the_file_names_the_run(train, write_images, here):
    (here / "pets-a.yaml").write_text("lr: 0.5\nseed: 7\nfreeze: [stem, layer1]\n")
    code, printed, _ = train("--data", write_images(), "--config", "pets-a.yaml", "--lr", "0.25", "--cache", "off")
    assert code == 0
    assert printed.endswith("runs/pets-a-torch-001\n")
    recipe = json.loads((here / "runs/pets-a-torch-001/model.json").read_text())["recipe"]
    chosen = {"lr": 0.25, "seed": 7, "freeze": ["stem", "layer1"], "cache": "off", "deterministic": True}
    assert {name: recipe[name] for name in chosen} == chosen


def test_every_field_of_the_recipe_has_a_flag(here):
    flags = train_parser("x", choose_backend=True).format_help()
    for name in FIELDS:
        assert f"{flag_of(name)}" in flags


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "compare", "export", "models"])
def test_help(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ft", command, "--help"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"usage: ft {command}")
    assert captured.err == ""


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_ft_alone_lists_its_commands(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ft", *words])
    assert cli.main() == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if line.startswith("  ")] == list(cli.COMMANDS)


def test_the_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ft", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out == f"ft-parity {version('ft-parity')}\n"


def test_models_by_a_text_and_with_what_is_here(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FT_CACHE", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / zoo.find_card("resnet34").pretrained[0].filename).touch()
    monkeypatch.setattr(sys, "argv", ["ft", "models", "ResNet3"])
    assert cli.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["network", "parameters", "takes", "top-1", "here", "task", "stages"]
    assert [line.split()[:7] for line in lines[1:-1]] == [["resnet34", "21.8", "M", "224", "px", "73.3", "*"]]
    monkeypatch.setattr(sys, "argv", ["ft", "models", "--json", "--family", "resnet", "resnet18"])
    assert cli.main() == 0
    assert [(row["name"], row["here"]) for row in json.loads(capsys.readouterr().out)] == [("resnet18", False)]


def test_models_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ft", "models", "--json"])
    assert cli.main() == 0
    rows, every = json.loads(capsys.readouterr().out), [*zoo.cards(None), *zoo.text_cards()]
    assert [(row["name"], row["inputs"]) for row in rows] == [(card.name, card.inputs) for card in every]


def test_models_that_take_text(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FT_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["ft", "models", "base-uncased"])
    assert cli.main() == 0
    lines = [line.split()[:6] for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert lines == [
        ["distilbert-base-uncased", "66.4", "M", "512", "tokens", "-"],
        ["bert-base-uncased", "109.5", "M", "512", "tokens", "-"],
    ]


# ---- data


# ---- flags and recipe files


# ---- weights


# ---- run folders


# ---- what is nobody's mistake


def test_a_bug_is_told_with_the_place_of_its_trace(train, write_images, fake_wing, monkeypatch):
    def fail(step):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(fake_wing, "before_step", staticmethod(fail))
    code, _, lines = train("--data", write_images(), "--out", "out")
    assert (code, len(lines)) == (70, 1)
    assert lines[0].startswith("internal error: ZeroDivisionError: planted; this is a bug")
    trace = Path(lines[0].rpartition(" ")[2])
    assert "in fail" in trace.read_text()
    trace.unlink()


def test_memory_that_is_exhausted_is_no_bug(monkeypatch, capsys):
    def fail(arguments):
        raise MemoryError

    monkeypatch.setattr("ft.cli.runs.evaluate", fail)
    monkeypatch.setattr(sys, "argv", ["ft", "evaluate"])
    assert cli.main() == 2
    assert (
        capsys.readouterr().err == "error: out of memory; try a smaller --batch-size, --image-size or network, "
        "or raise ulimit -v\n"
    )


def test_a_loss_that_is_no_number_ends_the_run(train, write_images, fake_wing, monkeypatch):
    monkeypatch.setattr(fake_wing, "fetch", lambda self, probes: np.full((len(probes), 5), np.nan))
    code, _, lines = train("--data", write_images(), "--out", "out")
    assert (code, len(lines)) == (2, 1)
    assert "step 1: loss nan" in lines[0]
    assert "try a lower --lr; images (all of them in out/bad_step.json): " in lines[0]


def test_a_reader_that_goes_away_is_no_error(here):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -c 'from ft.cli import main; main()' models 2>err | true"],
        cwd=here,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0
    assert (here / "err").read_text() == ""


# ---- in processes of their own
