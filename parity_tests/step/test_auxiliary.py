"""Auxiliary heads: what they add to the loss, against torchvision's stock network, and when they are not there."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.nn.functional import cross_entropy
from torchvision.models import GoogLeNet

import ft_tf
from ft.parity.arrays import require_equal
from parity_tests.support.one_step import require_equal_gradients
from parity_tests.support.pairs import CLASSES, FORWARD, STEP, Case, batch, learners

pytestmark = pytest.mark.usefixtures("eager")


def quiet_learners(freeze):
    """Return GoogLeNet's learners without any dropout: stock torchvision draws other masks."""
    pair = learners(Case("googlenet", freeze, {"weights": "none", "dropout": 0.0}))
    for layer in [*pair["torch"].model.modules(), *pair["tf"].model.layers]:
        if hasattr(layer, "p"):
            layer.p = 0.0
    return pair


def stock_losses(tensors, images, labels):
    """Return the cross-entropies of torchvision's main, second and first logits in training mode."""
    stock = GoogLeNet(CLASSES, init_weights=False, dropout=0.0, dropout_aux=0.0).double()
    stock.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    outputs = stock.train()(torch.from_numpy(images).permute(0, 3, 1, 2))
    return [cross_entropy(logits, torch.from_numpy(labels)).item() for logits in outputs]


@pytest.mark.parametrize(
    ("freeze", "weights"),
    [
        ("aux1", (1, 0.3, 0)),
        pytest.param("aux2", (1, 0, 0.3), marks=pytest.mark.slow),
        pytest.param("none", (1, 0.3, 0.3), marks=pytest.mark.slow),
    ],
)
def test_taught_heads_count_in_the_loss(freeze, weights):
    pair, examples = quiet_learners(freeze), batch(1)
    expected = np.dot(weights, stock_losses(pair["torch"].get_weights(), examples.inputs, examples.targets["labels"]))
    step = require_equal_gradients(pair, examples, number=1, zero=0)
    np.testing.assert_allclose(step.losses, expected, rtol=1e-12)
    assert all(logits.shape == (len(examples), CLASSES) for logits in step.logits)
    heads = {name.partition(".")[0] for name in step.arrays[0]}
    assert {"aux1", "aux2", "fc", "conv1"} - heads == {freeze} - {"none"}


@pytest.mark.slow
def test_heads_that_nothing_is_taught_are_not_computed():
    """Inception's takes no images of this size at all; nor do its statistics move as those of the other stages do."""
    pair = learners(Case("inception_v3", "base", {"weights": "none", "bn": "update"}))
    step = require_equal_gradients(pair, batch(2, size=96, count=32), number=1, zero=0)
    assert step.arrays[0].keys() == {"fc.weight", "fc.bias"}
    ends = [learner.get_weights() for learner in pair.values()]
    require_equal(*ends, bar=STEP)
    assert ends[0]["Mixed_7c.branch1x1.bn.num_batches_tracked"] == 1
    assert ends[0]["AuxLogits.conv1.bn.num_batches_tracked"] == 0


def test_kerass_model_returns_what_torchvisions_does(tmp_path):
    model = ft_tf.build_model("googlenet", num_classes=CLASSES, dtype="float64")
    images = tf.constant(batch(3, count=2).inputs)
    logits = model(images)
    assert logits.shape == (2, CLASSES)
    assert [tuple(output.shape) for output in model(images, training=True)] == 3 * [(2, CLASSES)]

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    logits = model(images)  # training moved the statistics
    np.testing.assert_array_equal(again(images), logits)
    assert ft_tf.weight_shapes(again) == ft_tf.weight_shapes(model)

    inputs = keras.Input((64, 64, 3), dtype="float64")
    doubled = keras.Model(inputs, keras.layers.Rescaling(2.0, dtype="float64")(model(inputs)))
    require_equal({"logits": doubled(images).numpy()}, {"logits": 2 * logits.numpy()}, bar=FORWARD)
