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


@pytest.mark.parametrize("warmup", [False, True])
def test_fifty_steps_are_the_formula(warmup):
    tensors = variables()
    ours = Average(tensors, decay=0.9, warmup=warmup)
    expected = {name: x.numpy().copy() for name, x in tensors.items()}
    for step in range(50):
        move(tensors, step)
        ours.update(tf.constant(step, tf.int64))
        d = min(0.9, (1 + step) / (10 + step)) if warmup else 0.9
        expected = {name: d * x + (1 - d) * tensors[name].numpy() for name, x in expected.items()}
    for name, x in expected.items():
        np.testing.assert_allclose(ours.averages[name], x, rtol=1e-13, atol=1e-14)


def test_the_network_has_the_average_for_a_while_and_then_its_own_bits():
    tensors = variables()
    ours = Average(tensors, decay=0.9, warmup=False)
    move(tensors, 0)
    ours.update(tf.constant(0, tf.int64))
    before = {name: x.numpy().copy() for name, x in tensors.items()}
    with ours.in_place():
        for name, average in ours.averages.items():
            np.testing.assert_array_equal(tensors[name], average)
            assert (before[name] != average.numpy()).any()
    for name, x in tensors.items():
        np.testing.assert_array_equal(x, before[name])


def test_slots_carry_the_average_on():
    tensors = variables()
    ours = Average(tensors, decay=0.9, warmup=False)
    move(tensors, 0)
    ours.update(tf.constant(0, tf.int64))
    later = Average(tensors, decay=0.9, warmup=False)
    later.set_slots(ours.get_slots())
    for average in (ours, later):
        average.update(tf.constant(1, tf.int64))
    for name, x in ours.averages.items():
        np.testing.assert_array_equal(x, later.averages[name])
    ours.restart()
    np.testing.assert_array_equal(ours.get_slots()["a.weight.average"], tensors["a.weight"])
    with pytest.raises(KeyError, match=r"a\.weight\.average"):
        later.set_slots({})
