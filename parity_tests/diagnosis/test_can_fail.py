"""The checks can fail: each fault, planted in one wing only, must be caught by the comparison that guards it."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import ft_tf
import ft_torch
from ft.backend.contract import Learner
from ft.errors import WeightsError
from ft.parity.arrays import ZERO, compare, require_equal
from ft.parity.verdict import Row, compare_arrays
from ft_tf.layers import BatchNorm2d, Conv2d, Gelu
from ft_tf.models import resnet
from ft_tf.precision import type_policy
from parity_tests.support.pairs import FORWARD, STEP, Case, batch, learners

pytestmark = pytest.mark.usefixtures("eager")
CASE = Case("resnet18", "none")
NOISY = Case("efficientnet_lite0", "stem,stage1,stage2,stage3,stage4,stage5,stage6")
LR = np.float64(0.001)


def check(pair: dict[str, Learner], *, labels=lambda labels: labels, lr: np.float64 = LR) -> None:
    """Compare inference, then two steps; `labels` and `lr` let the second wing take other ones."""
    given = batch(0)
    other = replace(given, targets={"labels": labels(given.targets["labels"])})
    require_equal(*(learner.outputs(given.inputs) for learner in pair.values()), bar=FORWARD, what="inference")
    for step in range(2):
        pair["torch"].step(given, step=step, lr=LR)
        pair["tf"].step(other, step=step, lr=lr)
    require_equal(*(learner.get_weights() for learner in pair.values()), bar=STEP, what="weights")
    require_equal(*(learner.get_slots() for learner in pair.values()), bar=STEP, zero=ZERO, what="momentum")


@pytest.fixture(scope="module")
def tensors():
    """The tensors that every pair starts from."""
    return learners(CASE)["torch"].get_weights()


def test_nothing_planted_nothing_found(tensors):
    check(learners(CASE, tensors=tensors))


def test_swapped_gamma_and_variance(tensors):
    pair = learners(CASE, tensors=tensors)
    gamma, variance = "layer2.0.bn1.weight", "layer2.0.bn1.running_var"
    pair["tf"].set_weights({**tensors, gamma: tensors[variance], variance: tensors[gamma]})
    with pytest.raises(AssertionError, match="inference"):
        check(pair)


def test_padding_that_is_larger_at_the_end(tensors):
    pair = learners(CASE, tensors=tensors)
    pair["tf"].model.get_layer("layer3.0.conv1").padding = "same"
    with pytest.raises(AssertionError, match="inference"):
        check(pair)


def test_dropped_block(tensors, monkeypatch):
    block = resnet.basic_block
    monkeypatch.setattr(
        resnet, "basic_block", lambda x, path, *rest: x if path == "layer1.1" else block(x, path, *rest)
    )
    with pytest.raises(WeightsError, match=r"layer1\.1\.conv1"):
        learners(CASE, tensors=tensors)


def test_dropped_shortcut(tensors, monkeypatch):
    add = resnet.keras.layers.Add.call
    monkeypatch.setattr(
        resnet.keras.layers.Add,
        "call",
        lambda self, inputs: inputs[0] if self.name == "layer1.1.add" else add(self, inputs),
    )
    with pytest.raises(AssertionError, match="inference"):
        check(learners(CASE, tensors=tensors))


def test_biased_variance(tensors, monkeypatch):
    update = BatchNorm2d.update

    def biased(self, running, batch):
        share = 31 / 32 if running is self.moving_variance and self.name == "layer4.1.bn2" else 1
        update(self, running, batch * share)

    monkeypatch.setattr(BatchNorm2d, "update", biased)
    with pytest.raises(AssertionError, match=r"layer4\.1\.bn2\.running_var"):
        check(learners(CASE, tensors=tensors))


def test_shuffled_labels(tensors):
    with pytest.raises(AssertionError, match="weights"):
        check(learners(CASE, tensors=tensors), labels=lambda labels: np.roll(labels, 1))


def test_learning_rate_rounded_to_float32(tensors):
    with pytest.raises(AssertionError, match="weights"):
        check(learners(CASE, tensors=tensors), lr=np.float64(np.float32(LR)))


def test_float32_convolution_inside_float64(tensors, monkeypatch):
    call = Conv2d.call

    def rounded(self, x):
        y = call(self, x)
        return tf.cast(tf.cast(y, tf.float32), tf.float64) if self.name == "layer2.1.conv2" else y

    monkeypatch.setattr(Conv2d, "call", rounded)
    with pytest.raises(AssertionError, match="inference"):
        check(learners(CASE, tensors=tensors))


@pytest.mark.parametrize("shape", [(2, 5, 5, 5), (2, 5, 5), (2, 5, 7)], ids=["map", "square tokens", "tokens"])
def test_transposed_output(shape, monkeypatch):
    """A map with as many channels as rows and columns, tokens: the axes of a layer's output are moved by name alone."""
    x = np.random.default_rng(0).normal(size=shape)
    with type_policy("float64"):
        model = keras.Sequential([layer := Gelu(name="0")])
    assert not output_of_layer(x, model).differs
    call = layer.call
    monkeypatch.setattr(layer, "call", lambda x: tf.experimental.numpy.moveaxis(call(x), -1, 1))
    assert output_of_layer(x, model).differs


def output_of_layer(x, model) -> Row:
    """Compare what torch's GELU and a Keras model of one layer give of x (N, ..., C), as the recorders say it."""
    with ft_torch.recording(gelu := torch.nn.Sequential(torch.nn.GELU())) as a:
        gelu(torch.from_numpy(np.moveaxis(x, -1, 1) if x.ndim == 4 else x))
    with ft_tf.recording(model) as b:
        model(tf.constant(x))
    axes = a.calls["0"].axes, b.calls["0"].axes
    return compare_arrays(None, "inference", "0", a.arrays["0"], b.arrays["0"], FORWARD, axes=axes)[0]


def test_noise_of_another_layer():
    pair = learners(NOISY)
    pair["tf"].model.get_layer("classifier.0").key += 1
    with pytest.raises(AssertionError, match="weights"):
        check(pair)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_on_one_side(bad):
    good = {"x": np.ones((2, 3))}
    spoilt = {"x": np.ones((2, 3))}
    spoilt["x"][1, 2] = bad
    assert not compare(good, good, bar=0).faults
    assert not compare(spoilt, spoilt, bar=0).faults
    with pytest.raises(AssertionError, match="finite on one side"):
        require_equal(good, spoilt, bar=1e3)


def test_zero_in_one_only():
    a = {"big": np.ones(3), "small": np.full(3, 1e-17)}
    assert compare(a, {**a, "small": np.full(3, -1e-17)}, bar=STEP, zero=ZERO).zeros == ("small",)
    for other in ({**a, "small": np.full(3, 1e-5)}, {"big": a["big"]}, {**a, "small": np.full(2, 1e-17)}):
        with pytest.raises(AssertionError, match="small"):
            require_equal(a, other, bar=STEP, zero=ZERO)
