"""CONTRIBUTING's rooms: the places that it names are there, and an optimizer and a metric need no other ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from ft.weights import initial_weights, read_weights
from tests.wings.installed import NATIVE

ROOT = Path(__file__).parents[2]
TOP = "ft|ft_torch|ft_tf|ft_peers|parity_tests|tests|examples|docs"
PAGES = ["README.md", "CONTRIBUTING.md", "parity_tests/README.md", "Makefile", ".github/workflows/ci.yml"]
PAGES += sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))
PLACE = re.compile(rf"(?<![\w/])(?:{TOP}|ft_\*)/[\w./*]*\w[\w./*]*")
RATE = 0.01

FORMULA = """class Sign(Optimizer):
    record, formula = RULES["sign"], staticmethod(lambda w, g, slots, lr, **_: {})


OPTIMIZERS: dict"""
OPTIMIZER = {
    "ft/recipe/optimizer.py": [
        ('"lars"] = option', '"lars", "sign"] = option'),
        ("RULES = {\n", 'RULES = {\n    "sign": Rule({"weight_decay": 0.0}, {"step": None}),\n'),
    ],
    "ft_torch/optim.py": [
        ('    "lars": LARS,\n', '    "lars": LARS,\n    "sign": Sign,\n'),
        ("OPTIMIZERS: dict", FORMULA.format("torch.sign(g) * lr")),
    ],
    "ft_tf/optim.py": [
        ('    "lars": LARS,\n', '    "lars": LARS,\n    "sign": Sign,\n'),
        ("OPTIMIZERS: dict", FORMULA.format("tf.sign(g) * tf.cast(lr, g.dtype)")),
    ],
}
METRIC = {
    "ft/metrics/chance.py": [
        ("", "def beyond_chance(right, classes):\n    return (classes * right - 1) / (classes - 1)\n")
    ],
    "ft/tasks/classification.py": [
        ("from ft.metrics.confusion", "from ft.metrics.chance import beyond_chance\nfrom ft.metrics.confusion"),
        (
            '            "ece": ',
            '            "beyond": beyond_chance(self.metrics.top1, len(self.counts.support)),\n            "ece": ',
        ),
        ('        Measure("ece",', '        Measure("beyond", "beyond chance", ".4f"),\n        Measure("ece",'),
    ],
}


def rows() -> dict[str, list[str]]:
    """Return the places that CONTRIBUTING names for each thing."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = re.findall(r"^\| (an? [\w ]+) \| (.*) \| .* \|$", text, re.M)
    return {thing: re.findall(r"`([^`]*/[^`]*)`", places) for thing, places in table}


def found(place: str) -> list[Path]:
    """Return what is at a place; NAME and FAMILY stand for any."""
    return list(ROOT.glob(re.sub("NAME|FAMILY", "*", place).rstrip("./")))


@pytest.mark.parametrize("page", PAGES)
def test_every_place_that_is_named_is_there(page):
    text = (ROOT / page).read_text()
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
    assert not sorted(place for place in PLACE.findall(text) if not found(place))
    assert not [link for link in links if not link.exists()]


def test_places_are_recognised():
    assert sum(len(PLACE.findall((ROOT / page).read_text())) for page in PAGES) > 50


def test_each_thing_has_at_most_four_places():
    assert len(rows()) == 16
    assert all(1 <= len(places) <= 4 for places in rows().values())


@pytest.mark.parametrize(("thing", "edits"), [("an optimizer", OPTIMIZER), ("a metric", METRIC)])
def test_the_examples_below_touch_those_places_only(thing, edits):
    for file in edits:
        assert any(fnmatch(file, place.replace("NAME", "*")) for place in rows()[thing]), file


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Return a copy of the house with an optimizer and a metric more."""
    root = tmp_path_factory.mktemp("house")
    for part in ("ft", "ft_torch", "ft_tf"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file, edits in {**OPTIMIZER, **METRIC}.items():
        text = (root / file).read_text() if (root / file).exists() else ""
        for before, after in edits:
            assert text.count(before) == 1 or not text, (file, before)
            text = text.replace(before, after, 1)
        (root / file).write_text(text)
    return root


@pytest.mark.parametrize("name", NATIVE)
def test_they_are_all_that_an_optimizer_and_a_metric_need(name, house, write_images, tmp_path):
    """One step by the new rule in each wing; the new figure is in model.json and on the page."""
    fields = {"model": "resnet18", "weights": "none", "image-size": 16, "batch-size": 16, "epochs": 1, "lr": RATE}
    flags = [str(word) for key, value in fields.items() for word in (f"--{key}", value)]
    command = [*flags, "--data", str(write_images()), "--optimizer", "sign", "--backend", name, "--out", "run"]
    run_ft(house, tmp_path, "train", *command)
    run = tmp_path / "run"
    figures = json.loads((run / "model.json").read_text())["metrics"]
    assert figures["beyond"] == pytest.approx(2 * figures["top1"] - 1)
    assert "beyond chance" in (run / "report.html").read_text()
    weights = read_weights(run / "model.safetensors")
    fresh = initial_weights({name: x.shape for name, x in weights.items()}, seed=0)["fc.weight"]
    moved = np.round(np.abs(weights["fc.weight"] - fresh) / RATE, 4)
    assert set(moved.flat) <= {0.0, 1.0}
    assert moved.mean() > 0.5


def run_ft(house: Path, folder: Path, *words: str) -> None:
    """Run a command of the copy."""
    environment = {**os.environ, "PYTHONPATH": str(house)}
    done = subprocess.run(
        [sys.executable, "-m", "ft", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
