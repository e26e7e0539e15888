"""The built-in set against scikit-learn itself, and without it."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ft.data import open_dataset, open_images, read_digits
from ft.errors import DataError


def test_pixels_and_labels_are_scikit_learns():
    images, labels = read_digits()
    bunch = load_digits()
    assert images.dtype == np.uint8
    assert [images.min(), images.max()] == [0, 255]
    assert np.abs(images / 255 - bunch.images / 16).max() <= 0.5 / 255
    assert np.array_equal(labels, bunch.target)


def test_data_set():
    data = open_dataset("digits")
    _, labels = read_digits()
    assert (data.name, data.image_size, len(data.train), len(data.val)) == ("digits", 64, 1437, 360)
    assert data.classes == tuple("0123456789")
    assert [s.label for s in data.train + data.val] == labels.tolist()
    assert (data.train[7].name, data.val[0].name) == ("digits/0007", "digits/1437")
    assert open_images("digits").val == data.val


def test_labels_follow_the_models_classes():
    given = tuple("9876543210")
    assert [s.label for s in open_images("digits", given).val] == [9 - s.label for s in open_images("digits").val]
    with pytest.raises(DataError, match="unknown class '9'"):
        open_images("digits", tuple("012345678"))


def test_without_scikit_learn_the_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r'pip install "ft-parity\[demo\]"'):
        open_dataset("digits")
