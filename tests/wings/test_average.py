"""The moving average: its formula, its place in the network, its slots. Stock oracles: see each wing's tests."""

import numpy as np
import pytest

from tests.wings.installed import in_each_framework

pytestmark = in_each_framework
SHAPES = {"a.weight": (3, 4), "bn.running_var": (5,)}


@pytest.fixture
def tensors(framework):
    """Return a network's tensors that move."""
    rng = np.random.default_rng(0)
    return {name: framework.variable(rng.normal(size=shape)) for name, shape in SHAPES.items()}


@pytest.fixture
def move(framework, tensors):
    """Change every tensor."""

    def moved(step):
        rng = np.random.default_rng(100 + step)
        for x in tensors.values():
            framework.move(x, rng.normal(size=x.shape))

    return moved


def values(tensors):
    return {name: x.numpy().copy() for name, x in tensors.items()}


@pytest.mark.parametrize("warmup", [False, True])
def test_fifty_steps_are_the_formula(wing, tensors, move, warmup):
    ours, expected = wing.Average(tensors, decay=0.9, warmup=warmup), values(tensors)
    for step in range(50):
        move(step)
        ours.update(step)
        d = min(0.9, (1 + step) / (10 + step)) if warmup else 0.9
        expected = {name: d * x + (1 - d) * values(tensors)[name] for name, x in expected.items()}
    for name, x in expected.items():
        np.testing.assert_allclose(values(ours.averages)[name], x, rtol=1e-13, atol=1e-14)


def test_the_network_has_the_average_for_a_while_and_then_its_own_bits(wing, tensors, move):
    ours = wing.Average(tensors, decay=0.9, warmup=False)
    for step in range(3):
        move(step)
        ours.update(step)
    before = values(tensors)
    with ours.in_place():
        for name, average in values(ours.averages).items():
            np.testing.assert_array_equal(values(tensors)[name], average)
            assert (before[name] != average).all()
    for name, x in values(tensors).items():
        np.testing.assert_array_equal(x, before[name])


def test_slots_carry_the_average_on(wing, tensors, move):
    ours, later = (wing.Average(tensors, decay=0.9, warmup=False) for _ in range(2))
    move(0)
    ours.update(0)
    later.set_slots(ours.get_slots())
    for average in (ours, later):
        average.update(1)
    for name, x in values(ours.averages).items():
        np.testing.assert_array_equal(x, values(later.averages)[name])
    ours.restart()
    np.testing.assert_array_equal(ours.get_slots()["a.weight.average"], values(tensors)["a.weight"])
    with pytest.raises(KeyError, match=r"a\.weight\.average"):
        later.set_slots({})
