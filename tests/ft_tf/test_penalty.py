"""Loss and gradients of the regularisers against Keras's, and against autodiff of the formula, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft.training.penalty import Terms
from ft_tf import Penalty

SHAPES = {"a.weight": (3, 4), "a.bias": (5,), "head.weight": (2, 3)}
KINDS = {
    "l2": Terms(l2=0.3),
    "l1": Terms(l1=0.2),
    "elastic": Terms(l2=0.3, l1=0.2),
    "l2sp": Terms(l2sp=0.7),
    "all": Terms(l2=0.3, l1=0.2, l2sp=0.7),
}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def variables(arrays):
    return {name: keras.Variable(array, dtype="float64") for name, array in arrays.items()}


def moved(terms):
    """Return a penalty whose parameters have left their anchors, and the anchors."""
    penalty = Penalty(variables(drawn(0)), terms)
    penalty.anchor()
    for name, x in drawn(1).items():
        penalty.parameters[name].assign_add(x)
    return penalty, drawn(0)


@pytest.mark.parametrize("kind", KINDS)
def test_keras_and_autodiff_say_the_same(kind):
    terms = {"a.weight": KINDS[kind], "head.weight": Terms(l2=0.1)}
    penalty, start = moved(terms)
    gradients = {name: tf.constant(g) for name, g in drawn(2).items()}
    loss = tf.constant(1.5, tf.float64)
    added, sums = tf.function(penalty.add)(loss, gradients)

    weights = {name: w.value for name, w in penalty.parameters.items()}
    with tf.GradientTape() as tape:
        tape.watch(list(weights.values()))
        formula = loss
        for name, w in weights.items():
            t = terms.get(name, Terms())
            formula += tf.nn.l2_loss(w) * t.l2 + t.l1 * tf.norm(w, 1) + t.l2sp * tf.nn.l2_loss(w - start[name])
    theirs = tape.gradient(formula, weights)
    assert float(added) == pytest.approx(float(formula), rel=1e-14)
    for name, g in gradients.items():
        np.testing.assert_allclose(sums[name], g + theirs[name], rtol=1e-13, atol=1e-14)
    if not KINDS[kind].l2sp:
        own = keras.regularizers.L1L2(l1=KINDS[kind].l1, l2=KINDS[kind].l2 / 2)(weights["a.weight"])
        others = 0.05 * np.square(weights["head.weight"]).sum()
        assert float(added) - 1.5 - others == pytest.approx(float(own), rel=1e-6)  # Keras's factors are float32
