"""Files of text networks: what either wing writes the hub reads to the byte, and Keras loads its own."""

import keras
import numpy as np
import pytest

import ft_tf
import ft_torch
from ft.parity.arrays import Tensors
from ft.weights import cast
from ft.weights.keras_file import read_keras
from ft.weights.keras_names import to_torch_names
from ft.weights.read import read_weights
from ft_tf.models.text import build_text as build_tf
from ft_torch.models.text import build_text as build_torch
from parity_tests.support.texts import CLASSES, small_card, start, texts

KINDS = [("bert", "sequence"), ("distilbert", "tokens"), ("roberta", "sequence"), ("gpt2", "sequence"), ("gpt2", "lm")]


def require_same(found: Tensors, expected: Tensors):
    assert found.keys() == expected.keys()
    assert [name for name in found if not np.array_equal(found[name], expected[name])] == []


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_either_wings_files(kind, tmp_path):
    card = small_card(*kind)
    tensors = cast(start(card), "float32")
    model = build_tf(card, num_classes=CLASSES)
    shapes = ft_tf.weight_shapes(model)
    for name in ("a.weights.h5", "a.keras"):
        ft_tf.write_weights(model, tensors, tmp_path / name)
        require_same(to_torch_names(read_keras(tmp_path / name), shapes), tensors)
    inputs = texts(card)
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))
    with ft_torch.building_empty():
        empty = build_torch(card, num_classes=CLASSES)
    ft_torch.write_weights(empty, tensors, tmp_path / "a.pth")
    require_same(read_weights(tmp_path / "a.pth"), tensors)
