"""The regularisers' terms: none, and the anchors that they are measured from; their numbers: see each wing's tests."""

import numpy as np
import pytest

from ft.training.penalty import Terms
from tests.wings.installed import in_each_framework

pytestmark = in_each_framework
SHAPES = {"a.weight": (3, 4), "a.bias": (5,), "head.weight": (2, 3)}
TERMS = {"a.weight": Terms(l2sp=0.7), "a.bias": Terms(l2=0.3)}


@pytest.fixture
def drawn(framework):
    """Return variables drawn from a seed, and their values."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        arrays = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
        return {name: framework.variable(array) for name, array in arrays.items()}, arrays

    return draw


def test_without_terms_nothing_changes(wing, framework, drawn):
    gradients = {name: framework.tensor(array) for name, array in drawn(2)[1].items()}
    loss = framework.tensor(np.float64(1.5))
    added, sums = wing.Penalty(drawn(0)[0], {}).add(loss, gradients)
    assert added is loss
    assert all(sums[name] is g for name, g in gradients.items())


def test_slots_carry_the_anchors_on(wing, framework, drawn):
    variables, start = drawn(0)
    penalty = wing.Penalty(variables, TERMS)
    penalty.anchor()
    for variable in variables.values():  # leaves its anchor
        framework.move(variable, np.ones(variable.shape))
    slots = penalty.get_slots()
    assert list(slots) == ["a.weight.anchor"]
    np.testing.assert_array_equal(slots["a.weight.anchor"], start["a.weight"])
    later = wing.Penalty(drawn(5)[0], TERMS)
    later.set_slots(slots)
    np.testing.assert_array_equal(later.anchors["a.weight"].numpy(), start["a.weight"])
    with pytest.raises(KeyError, match=r"a\.weight\.anchor"):
        later.set_slots({})
