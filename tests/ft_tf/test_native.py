"""What Keras does with its own models it does with ours: compile, fit, evaluate, predict, save, load, clone."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import keras
import numpy as np
import pytest

import ft_tf
from ft.weights import initial_weights
from ft.zoo import Card, cards
from ft_tf.head import GlobalPool
from ft_tf.layers import Conv2d, Dropout, Linear, StochasticDepth, WithAuxiliary

ROOT = Path(__file__).parents[2]
SIZES = {"inception": 443, "maxvit": 224}  # the smallest at which every BatchNorm of a training step has its values
STOCK = {"keras/resnet50", "keras/vgg16", "keras/mobilenet_v2", "keras/xception"}  # made of Keras's own layers alone
LOAD = """
import sys, numpy as np
folder = sys.argv[1]
model = keras.models.load_model(folder + "/model.keras")
np.save(folder + "/loaded.npy", model.predict(np.load(folder + "/x.npy"), verbose=0))
"""


def tiny(p=0.5):
    """Return a network with both kinds of noise, and with a layer from another place than ft_tf.layers."""
    images = keras.Input((None, None, 3))
    x = Conv2d(8, 3, padding=1)(images)
    x = keras.layers.Add()([x, StochasticDepth(p)(x)])
    return keras.Model(images, Linear(3)(Dropout(p)(GlobalPool("avg+max")(x))))


def with_auxiliary():
    images = keras.Input((None, None, 3))
    x = Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(images))
    return WithAuxiliary(images, [Linear(3)(x), Linear(3)(x)])


def whole(card: Card) -> keras.Model:
    """Return a network of the zoo with drawn weights."""
    options = card.options(image_size=size_of(card)) if card.sized else {}
    model = ft_tf.build_model(card.name, num_classes=3, options=options)
    ft_tf.set_weights(model, initial_weights(ft_tf.weight_shapes(model), seed=0))
    return model


def size_of(card: Card) -> int:
    size = SIZES.get(card.family, max(64, card.min_size))
    return -(-size // card.size_step) * card.size_step


def images_and_labels(size=32):
    return np.random.default_rng(0).normal(size=(4, size, size, 3)).astype("float32"), np.arange(4) % 3


def train(model, x, y):
    """Compile and fit for one step; return what `fit` and `evaluate` say."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss=loss, metrics=["accuracy"])
    fitted = {name: values[0] for name, values in model.fit(x, y, verbose=0).history.items()}
    return fitted, model.evaluate(x, y, verbose=0, return_dict=True)


def loaded_afresh(model, x, tmp_path, imports):
    """Return what a saved network predicts in a process of its own, with these imports."""
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", f"import {imports}\n{LOAD}", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return np.load(tmp_path / "loaded.npy")


def require_native(model, x, y, tmp_path, imports):
    """Do with a network all that Keras does with one; predictions of copies must be equal bit by bit."""
    histories = train(model, x, y)
    assert all(np.isfinite(value) for side in histories for value in side.values())
    assert histories[0].keys() == histories[1].keys()
    expected = model.predict(x, verbose=0)
    assert expected.shape == (4, 3)
    np.testing.assert_array_equal(loaded_afresh(model, x, tmp_path, imports), expected)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), expected)


@pytest.mark.parametrize(("make", "imports"), [(tiny, "ft_tf, keras"), (with_auxiliary, "keras, ft_tf")])
def test_what_keras_does_with_a_model(make, imports, tmp_path):
    require_native(make(), *images_and_labels(), tmp_path, imports)


@pytest.mark.slow
@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_every_network(card, tmp_path):
    imports = "keras" if card.name in STOCK else "keras, ft_tf"
    require_native(whole(card), *images_and_labels(size_of(card)), tmp_path, imports)


def test_fit_draws_new_masks_at_every_step():
    """Of one trained graph: a mask that were a constant of it would show."""
    images = keras.Input((64,))
    model = keras.Model(images, Dropout(0.5)(images))
    model.compile(optimizer="sgd", loss="mse")
    x, y = np.ones((1, 64)), np.arange(64)[None]
    assert len({float(model.fit(x, y, verbose=0).history["loss"][0]) for _ in range(4)}) == 4


def test_a_generator_s_state_is_no_weight():
    assert not [name for name in ft_tf.get_weights(tiny()) if "seed" in name]


def test_auxiliary_heads_teach_again_after_fit():
    model = with_auxiliary()
    train(model, *images_and_labels())
    assert not model.frozen
    assert len(model(images_and_labels()[0], training=True)) == 2


def test_every_registered_class_is_told_to_keras():
    for module in walk_packages(ft_tf.__path__, "ft_tf."):
        import_module(module.name)
    known = {name: kind for name, kind in keras.saving.get_custom_objects().items() if name.startswith("ft_tf>")}
    told = {f"ft_tf>{name}": module for module, names in ft_tf.REGISTERED.items() for name in names}
    assert known.keys() == told.keys()
    assert all(vars(import_module(f"ft_tf.{told[name]}"))[kind.__name__] is kind for name, kind in known.items())
