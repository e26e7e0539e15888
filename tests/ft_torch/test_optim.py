"""SGD against torch.optim.SGD: 50 steps in float64, with a learning rate that changes."""

import numpy as np
import pytest
import torch

from ft_torch import SGD

SHAPES = {"a.weight": (3, 4), "a.bias": (5,)}
RATES = 0.1 * 0.9 ** np.arange(50)
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


def tensors(arrays):
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def ours(rates, **form):
    """Return the parameters after a training."""
    optimizer = SGD(tensors(start()), **form)
    for step, lr in enumerate(rates):
        optimizer.update(tensors(gradients(step)), float(lr))
    return {name: w.numpy() for name, w in optimizer.parameters.items()}


def theirs(rates, **form):
    parameters = tensors(start())
    optimizer = torch.optim.SGD(parameters.values(), lr=1.0, **form)
    for step, lr in enumerate(rates):
        optimizer.param_groups[0]["lr"] = float(lr)
        for name, g in tensors(gradients(step)).items():
            parameters[name].grad = g
        optimizer.step()
    return {name: w.numpy() for name, w in parameters.items()}


@pytest.mark.parametrize("form", FORMS)
def test_fifty_steps_are_torchs(form):
    a, b = ours(RATES, **form), theirs(RATES, **form)
    for name in SHAPES:
        assert np.abs(a[name] - b[name]).max() < 1e-13 * np.abs(b[name]).max()


def test_what_is_returned_was_subtracted():
    optimizer = SGD(tensors(start()), momentum=0.9, nesterov=True, weight_decay=0.01)
    for step in range(3):
        before = {name: w.clone() for name, w in optimizer.parameters.items()}
        changes = optimizer.update(tensors(gradients(step)), 0.1)
        for (name, w), change in zip(optimizer.parameters.items(), changes, strict=True):
            np.testing.assert_array_equal(w.numpy(), (before[name] - change).numpy())


@pytest.mark.parametrize("nesterov", [False, True])
def test_slots_carry_a_training_on(nesterov):
    form = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01}
    first = SGD(tensors(start()), **form)
    for step in range(5):
        first.update(tensors(gradients(step)), 0.1)
    second = SGD({name: w.clone() for name, w in first.parameters.items()}, **form)
    slots = first.get_slots()
    assert list(slots) == ["a.weight.momentum_buffer", "a.bias.momentum_buffer"]
    second.set_slots(slots)
    for optimizer in (first, second):
        optimizer.update(tensors(gradients(5)), 0.1)
    for name in SHAPES:
        np.testing.assert_array_equal(first.parameters[name].numpy(), second.parameters[name].numpy())


def test_slots_are_copies_and_none_may_lack():
    optimizer = SGD(tensors(start()), momentum=0.9, nesterov=False, weight_decay=0.0)
    slots = optimizer.get_slots()
    optimizer.update(tensors(gradients(0)), 0.1)
    assert not any(slot.any() for slot in slots.values())
    del slots["a.bias.momentum_buffer"]
    with pytest.raises(KeyError, match=r"a\.bias\.momentum_buffer"):
        optimizer.set_slots(slots)


def test_without_momentum_there_are_no_slots():
    assert SGD(tensors(start()), momentum=0.0, nesterov=False, weight_decay=0.1).get_slots() == {}
