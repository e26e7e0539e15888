"""Each optimizer against its formula in NumPy, with a learning rate that changes, and SGD against Keras, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ft.recipe import Recipe
from ft.recipe.optimizer import RULES
from ft_tf import SGD, clip_gradients, make_optimizer

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
    update = tf.function(optimizer.with_slots().update) if graph else optimizer.update
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


# ---- the other formulas

OTHERS = [
    ("sgd", {"dampening": 0.3, "weight_decay": 0.01}),
    ("adam", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("adamw", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
    ("rmsprop", {"momentum": 0.5}),
    ("rmsprop", {"alpha": 0.9, "eps": 1e-3, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator": 0.2, "eps": 1e-3, "weight_decay": 0.1}),
    ("lars", {"momentum": 0.8, "trust": 0.01, "eps": 1e-6, "weight_decay": 0.1}),
]


def make(name, *, rates=None, parameters=None, **fields):
    recipe = Recipe(optimizer=name, **fields)
    return make_optimizer(variables(parameters or start()), recipe=recipe, rates=rates or {})


def train(optimizer, steps=range(50), *, graph=False):
    update = tf.function(optimizer.with_slots().update) if graph else optimizer.update
    for step in steps:
        update(tensors(gradients(step)), tf.constant(RATES[step], tf.float64))
    assert not graph or update.experimental_get_tracing_count() == 1
    return {name: w.numpy() for name, w in optimizer.parameters.items()}


def written(name, w, g, t, lr, memory, p):
    """Return a parameter after update t (from 1), by the formulas of torch.optim's documentation."""
    shrink, g = (lr * p["weight_decay"] * w, g) if name == "adamw" else (0.0, g + p["weight_decay"] * w)

    def average(slot, value, decay):
        memory[slot] = decay * memory.get(slot, 0.0) + (1 - decay) * value
        return memory[slot]

    if name in ("adam", "adamw"):
        b1, b2 = p["betas"]
        m, v = average("m", g, b1) / (1 - b1**t), average("v", g**2, b2) / (1 - b2**t)
        return w - shrink - lr * m / (np.sqrt(v) + p["eps"])
    if name == "rmsprop":
        v = average("v", g**2, p["alpha"])
        v = v - average("mean", g, p["alpha"]) ** 2 if p["centered"] else v
        memory["b"] = p["momentum"] * memory.get("b", 0.0) + g / (np.sqrt(v) + p["eps"])
        return w - lr * memory["b"]
    if name == "adagrad":
        memory["s"] = memory.get("s", p["initial_accumulator"]) + g**2
        return w - lr / (1 + (t - 1) * p["lr_decay"]) * g / (np.sqrt(memory["s"]) + p["eps"])
    if name == "lars" and w.ndim > 1:
        size, slope = np.linalg.norm(w), np.linalg.norm(g - p["weight_decay"] * w)
        g = g * p["trust"] * size / (slope + p["weight_decay"] * size + p["eps"])
    fresh = g if t == 1 else (1 - p.get("dampening", 0.0)) * g
    memory["b"] = p["momentum"] * memory.get("b", 0.0) + fresh
    return w - lr * memory["b"]


def expected(name, fields, factors=None):
    w, memory, p = start(), {key: {} for key in SHAPES}, {**RULES[name].numbers, **fields}
    for step, lr in enumerate(RATES):
        for key, g in gradients(step).items():
            factor, own = (factors or {}).get(key, (1.0, p["weight_decay"]))
            w[key] = written(name, w[key], g, step + 1, lr * factor, memory[key], {**p, "weight_decay": own})
    return w


def require_close(a, b):
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


@pytest.mark.parametrize(("name", "fields"), OTHERS, ids=str)
@pytest.mark.parametrize("graph", [False, True])
def test_fifty_steps_of_the_others_are_their_formulas(name, fields, graph):
    require_close(train(make(name, **fields), graph=graph), expected(name, fields))


@pytest.mark.parametrize("name", RULES)
def test_factors_and_exempt_vectors(name):
    optimizer = make(name, weight_decay=0.1, decay_exempt="norms-and-biases", rates={"a.bias": 0.25})
    require_close(train(optimizer), expected(name, {"weight_decay": 0.1}, {"a.bias": (0.25, 0.0)}))


@pytest.mark.parametrize(("name", "fields"), OTHERS, ids=str)
def test_every_slot_carries_a_training_on(name, fields):
    first = make(name, **fields)
    after = train(first, range(5))
    second = make(name, **fields, parameters=after)
    second.set_slots(first.get_slots())
    a, b = (train(optimizer, range(5, 8)) for optimizer in (first, second))
    for key in SHAPES:
        np.testing.assert_array_equal(a[key], b[key])
    for key, slot in first.get_slots().items():
        assert slot.shape == (() if key.endswith(".step") else SHAPES[key.rpartition(".")[0]])


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clipping_is_its_formula(limit):
    given = gradients(0)
    size = np.sqrt(sum((g**2).sum() for g in given.values()))
    by_norm, by_value = (clip_gradients(tensors(given), **{rule: limit}) for rule in ("norm", "value"))
    for name, g in given.items():
        np.testing.assert_allclose(by_norm[name].numpy(), g * min(limit / (size + 1e-6), 1), rtol=1e-15)
        np.testing.assert_array_equal(by_value[name].numpy(), g.clip(-limit, limit))


def test_a_keras_layout_does_not_make_a_vector_of_a_weight():
    optimizer = make("sgd", weight_decay=0.1, decay_exempt="norms-and-biases")
    optimizer.parameters["a.weight"].layout = "linear"
    changes = optimizer.update(tensors({name: np.zeros(shape) for name, shape in SHAPES.items()}), RATE)
    assert [bool(np.any(change.numpy())) for change in changes] == [True, False]
