"""SGD against its formula, with a learning rate that changes, and against keras.optimizers.SGD, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft_tf import SGD

SHAPES = {"a.weight": (3, 4), "a.bias": (5,)}
RATES = 0.1 * 0.9 ** np.arange(50)
RATE = tf.constant(0.1, tf.float64)
FORMS = [
    {"momentum": m, "nesterov": n, "weight_decay": d}
    for m, n in ((0.0, False), (0.9, False), (0.9, True))
    for d in (0.0, 0.01)
]


def start(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def gradients(step):
    return start(1000 + step)


def variables(arrays):
    return {name: keras.Variable(array, dtype="float64") for name, array in arrays.items()}


def tensors(arrays):
    return {name: tf.constant(array) for name, array in arrays.items()}


def ours(rates, *, graph=False, **form):
    """Return the parameters after a training."""
    optimizer = SGD(variables(start()), **form)
    update = tf.function(optimizer.update) if graph else optimizer.update
    for step, lr in enumerate(rates):
        update(tensors(gradients(step)), tf.constant(lr, tf.float64))
    assert not graph or update.experimental_get_tracing_count() == 1
    return {name: w.numpy() for name, w in optimizer.parameters.items()}


def formula(rates, *, momentum, nesterov, weight_decay):
    """Return the parameters after a training by the formula of torch.optim.SGD's documentation."""
    parameters, buffers = start(), dict.fromkeys(SHAPES, 0.0)
    for step, lr in enumerate(rates):
        for name, g in gradients(step).items():
            g = g + weight_decay * parameters[name]
            buffers[name] = momentum * buffers[name] + g
            parameters[name] -= lr * (g + momentum * buffers[name] if nesterov else buffers[name])
    return parameters


def keras_own(lr, *, momentum, nesterov, weight_decay):
    """Return the parameters after 50 steps of keras.optimizers.SGD; L2 decay is added to the gradient."""
    parameters = variables(start())
    optimizer = keras.optimizers.SGD(lr, momentum=momentum, nesterov=nesterov)
    for step in range(50):
        rows = [
            (g + weight_decay * w.value, w)
            for g, w in zip(tensors(gradients(step)).values(), parameters.values(), strict=True)
        ]
        optimizer.apply_gradients(rows)
    return {name: w.numpy() for name, w in parameters.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("graph", [False, True])
def test_fifty_steps_are_the_formula(form, graph):
    a, b = ours(RATES, graph=graph, **form), formula(RATES, **form)
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


@pytest.mark.parametrize("form", FORMS)
def test_at_a_constant_rate_fifty_steps_are_keras(form):
    rate = 2.0**-5  # Keras rounds rate and momentum to float32, where these two are exact
    form = {**form, "momentum": 0.875 if form["momentum"] else 0.0}
    a, b = ours(np.full(50, rate), **form), keras_own(rate, **form)
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


def test_what_is_returned_was_subtracted():
    optimizer = SGD(variables(start()), momentum=0.9, nesterov=True, weight_decay=0.01)
    for step in range(3):
        before = {name: w.numpy() for name, w in optimizer.parameters.items()}
        changes = optimizer.update(tensors(gradients(step)), RATE)
        for (name, w), change in zip(optimizer.parameters.items(), changes, strict=True):
            np.testing.assert_array_equal(w.numpy(), before[name] - change.numpy())


@pytest.mark.parametrize("nesterov", [False, True])
def test_slots_carry_a_training_on(nesterov):
    form = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01}
    first = SGD(variables(start()), **form)
    for step in range(5):
        first.update(tensors(gradients(step)), RATE)
    second = SGD(variables({name: w.numpy() for name, w in first.parameters.items()}), **form)
    slots = first.get_slots()
    assert list(slots) == ["a.weight.momentum_buffer", "a.bias.momentum_buffer"]
    second.set_slots(slots)
    for optimizer in (first, second):
        optimizer.update(tensors(gradients(5)), RATE)
    for name in SHAPES:
        np.testing.assert_array_equal(first.parameters[name].numpy(), second.parameters[name].numpy())


def test_slots_are_copies_and_none_may_lack():
    optimizer = SGD(variables(start()), momentum=0.9, nesterov=False, weight_decay=0.0)
    slots = optimizer.get_slots()
    optimizer.update(tensors(gradients(0)), RATE)
    assert not any(slot.any() for slot in slots.values())
    del slots["a.bias.momentum_buffer"]
    with pytest.raises(KeyError, match=r"a\.bias\.momentum_buffer"):
        optimizer.set_slots(slots)


def test_without_momentum_there_are_no_slots():
    assert SGD(variables(start()), momentum=0.0, nesterov=False, weight_decay=0.1).get_slots() == {}
