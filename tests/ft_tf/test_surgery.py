"""Surgery on Keras models: graphs that run, split and save like any other; the parity tests compare their numbers."""

import keras
import numpy as np
import pytest

import ft_tf
from ft.errors import RecipeError
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.zoo import find_card

SIZE, CLASSES = 64, 10


def altered(model, **fields):
    """Return a network after surgery, in float64, and its card."""
    card = find_card(model)
    surgery = plan_surgery(card, Recipe(model=model, **fields))
    keras.utils.set_random_seed(0)
    built = ft_tf.build_model(model, num_classes=CLASSES, dtype="float64")
    surgery.require_fits(ft_tf.weight_shapes(built))
    return ft_tf.alter(built, surgery, image_size=SIZE), surgery.card


@pytest.fixture(scope="module")
def resnet():
    """Return a ResNet-18 after every kind of surgery, and its card."""
    change = "layer3.1.conv1:kernel=5,layer3.1.conv2:dilation=2"
    return altered(
        "resnet18", cut="layer4", pool="gem", head="8-batchnorm-relu-dropout0.2", in_channels=1, change=change
    )


def images(channels):
    """Return two images (2, SIZE, SIZE, channels)."""
    return np.random.default_rng(0).normal(size=(2, SIZE, SIZE, channels))


def test_the_base_and_the_head_are_the_network(resnet):
    model, card = resnet
    base, head = ft_tf.split(model, card)
    np.testing.assert_array_equal(head(base(images(1))), model(images(1)))


def test_it_saves_and_loads(resnet, tmp_path):
    model, _ = resnet
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(images(1)), model(images(1)))


def test_names_and_shapes_are_canonical(resnet):
    shapes = ft_tf.weight_shapes(resnet[0])
    assert shapes["conv1.weight"] == (64, 1, 7, 7)
    assert shapes["layer3.1.conv1.weight"] == (256, 256, 5, 5)
    assert shapes["avgpool.p"] == (1,)
    assert shapes["fc.0.weight"] == (8, 256)
    assert shapes["fc.1.running_var"] == (8,)
    assert shapes["fc.4.weight"] == (CLASSES, 8)


def test_what_each_stage_takes_and_gives(resnet):
    model, card = resnet
    found = ft_tf.stage_shapes(model, card, image_size=SIZE, channels=1)
    assert found["stem"] == ((1, 64, 64), (64, 32, 32))
    assert found["layer3"] == ((128, 8, 8), (256, 4, 4))
    assert found["head"] == ((256, 4, 4), (CLASSES,))


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("resnet18", {"change": "layer2.0.conv1:stride=1"}, "layer2.0: the shapes no longer fit each other"),
        ("mobilenet_v3_small", {"cut": "stage4"}, "classifier.0, the first layer of mobilenet_v3_small's own head"),
    ],
)
def test_what_does_not_fit_is_refused(model, fields, words):
    with pytest.raises(RecipeError, match=words):
        altered(model, **fields)
