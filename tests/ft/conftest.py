"""What the hub's tests share: a wing without a framework, and images on disk."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ft.backend import contract as backend
from tests import numpy_wing

# PyTorch is an oracle in some of these files; where it is not installed (the core job of CI) they are left out
ORACLE = re.compile(r"^\s*(import|from) torch|ft_torch", re.MULTILINE)
collect_ignore = [
    str(path)
    for path in Path(__file__).parent.rglob("test_*.py")
    if find_spec("torchvision") is None and ORACLE.search(path.read_text())
]


@pytest.fixture
def fake_wing(monkeypatch):
    """Put a wing of NumPy in the place of both; returns its Learner. Its names are a resnet's."""
    monkeypatch.setattr(backend, "load", lambda name: numpy_wing)
    monkeypatch.setattr(numpy_wing.Learner, "before_step", staticmethod(lambda step: None))
    return numpy_wing.Learner


@pytest.fixture
def write_images(tmp_path):
    """Write tmp_path/NAME/CLASS/0.png ..., 16 px, a colour a class with noise; return the folder."""

    def write(name="pets", classes=("cat", "dog"), count=8):
        rng = np.random.default_rng(0)
        for shade, label in enumerate(classes):
            (tmp_path / name / label).mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 100, (16, 16, 3))
                pixels = (noise + np.array([140 * (shade % 2), 70, 140 * (1 - shade % 2)])).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / label / f"{i}.png")
        return tmp_path / name

    return write


COLOURS = "red", "green", "blue"  # each a channel, each in some images


@pytest.fixture
def write_sets(tmp_path):
    """Write tmp_path/sets/labels.csv and its images, 16 px, each with any number of three colours; return the CSV."""

    def write(count=24):
        rng, root = np.random.default_rng(0), tmp_path / "sets"
        root.mkdir()
        lines = ["path,label"]
        for i in range(count):
            there = [colour for k, colour in enumerate(COLOURS) if i >> k & 1]
            shade = np.array([200 * (colour in there) for colour in COLOURS])
            Image.fromarray((rng.integers(0, 55, (16, 16, 3)) + shade).astype(np.uint8)).save(root / f"{i:03}.png")
            lines.append(f"{i:03}.png,{' | '.join(there)}")
        (root / "labels.csv").write_text("\n".join(lines) + "\n")
        return root / "labels.csv"

    return write
