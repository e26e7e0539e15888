"""What the hub's tests share: a wing without a framework, and images on disk."""

import numpy as np
import pytest
from PIL import Image

from tests import numpy_wing, oracle


def pytest_collection_modifyitems(config, items):
    """Leave out what needs PyTorch, an oracle here, where it is not installed: the core job of CI."""
    left_out = [] if oracle.INSTALLED else [item for item in items if item.get_closest_marker("needs_torch")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def fake_wing(monkeypatch):
    """Put a wing of NumPy in the place of both; returns its Learner. Its names are a resnet's."""
    numpy_wing.stand_in(monkeypatch)
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
