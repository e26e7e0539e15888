"""Keras models after surgery save and load like any other; tests/wings and the parity tests hold the rest."""

import keras
import numpy as np

import ft_tf
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.zoo import find_card
from tests.wings.surgeries import ALL_KINDS


def test_it_saves_and_loads(tmp_path):
    surgery = plan_surgery(find_card("resnet18"), Recipe(model="resnet18", **ALL_KINDS))
    model = ft_tf.alter(ft_tf.build_model("resnet18", num_classes=10, dtype="float64"), surgery, image_size=64)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 1))
    np.testing.assert_array_equal(again(images), model(images))
