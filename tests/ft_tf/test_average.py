"""The moving average against tf.train.ExponentialMovingAverage, with and without its warm-up."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft_tf import Average

SHAPES = {"a.weight": (3, 4), "bn.running_var": (5,)}


def variables():
    rng = np.random.default_rng(0)
    return {name: keras.Variable(rng.normal(size=shape), dtype="float64") for name, shape in SHAPES.items()}


def move(tensors, step):
    rng = np.random.default_rng(100 + step)
    for x in tensors.values():
        x.assign_add(rng.normal(size=x.shape))


@pytest.mark.parametrize("warmup", [False, True])
def test_fifty_steps_are_tensorflows(warmup):
    tensors = variables()
    ours = Average(tensors, decay=0.875, warmup=warmup)
    update = tf.function(ours.update)
    plain = [x.value for x in tensors.values()]
    theirs = tf.train.ExponentialMovingAverage(0.875)
    theirs.apply(plain)  # the first call copies
    for step in range(50):
        move(tensors, step)
        update(tf.constant(step, tf.int64))
        if warmup:  # its rate is a Python or float32 number, so the bar below is float32's
            theirs._num_updates = np.float64(step)
        theirs.apply(plain)
    assert update.experimental_get_tracing_count() == 1
    for (name, average), x in zip(ours.averages.items(), plain, strict=True):
        np.testing.assert_allclose(average, theirs.average(x), rtol=1e-5 if warmup else 1e-13, err_msg=name)
