"""The built-in set with masks: the same bytes everywhere, boxes that fit, nothing shared by the splits."""

import hashlib
import sys

import numpy as np
import pytest

from ft.data import holds_masks, open_masks
from ft.data.sources.digits import read_digits
from ft.data.sources.masks.scenes import CLASSES, COUNTS, PHOTOS, make_scenes
from ft.data.sources.recorded import place_of
from ft.errors import DataError

BYTES = "57d1dae50212d2f2"


@pytest.fixture(scope="module")
def scenes():
    return make_scenes()


def test_the_bytes_are_those_of_every_machine(scenes):
    content = b"".join(s.image.tobytes() + s.mask.tobytes() for s in scenes)
    assert hashlib.sha256(content).hexdigest()[:16] == BYTES


def test_boxes_and_classes_are_those_of_the_masks(scenes):
    for scene in scenes:
        left = scene.mask.copy()
        assert len(scene.boxes) == len(scene.labels) > 0
        for (x0, y0, x1, y1), label in zip(scene.boxes, scene.labels, strict=True):
            part = left[y0:y1, x0:x1]
            rows, columns = np.nonzero(part)
            assert set(np.unique(part)) <= {0, label}
            assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (0, 0, y1 - y0, x1 - x0)
            part[:] = 0
        assert not left.any()


def test_the_data_set(scenes):
    data = open_masks("scenes")
    assert place_of("scenes") == {}
    assert (holds_masks("scenes"), data.name, data.classes, data.masks) == (True, "scenes", CLASSES, True)
    assert (len(data.train), len(data.val)) == (COUNTS["train"], COUNTS["val"])
    assert not set(PHOTOS["train"]) & set(PHOTOS["val"])
    for sample, scene in zip(data.train + data.val, scenes, strict=True):
        assert np.array_equal(sample.label.read(), scene.mask)
        assert np.array_equal(sample.source, scene.image)
        assert 128 <= min(scene.mask.shape) <= max(scene.mask.shape) <= 160


def test_without_scikit_image_the_line_says_how_to_get_it(monkeypatch):
    read_digits()
    monkeypatch.setattr("ft.data.sources.masks.scenes.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'needs scikit-image.*pip install "ft-parity\[demo\]"'):
        open_masks("scenes")
    assert "skimage" not in sys.modules  # its files are read, its code is not
