"""What all optimizers share, in a wing of NumPy: numbers of the record, slots by name, decay inside or beside."""

import inspect

import numpy as np
import pytest

from ft.recipe.optimizer import RULES
from ft.training.updates import Updates


class InNumPy(Updates[np.ndarray, np.ndarray, np.ndarray]):
    """Says what it was asked to subtract."""

    formula = staticmethod(lambda w, g, slots, lr, **numbers: numbers)

    def update_one(self, name, w, g, lr):
        inside, beside = self.decays(w)
        return self.formula(w, g, self.state[name], lr, weight_decay=inside, **self.numbers), beside

    def is_vector(self, w):
        return w.ndim <= 1

    def new_slot(self, slot, w, start):
        return np.zeros((), int) if slot == "step" else np.full_like(w, start)

    def read(self, name, slot):
        return self.state[name][slot].copy()

    def write(self, name, slot, array):
        self.state[name][slot][...] = array


def made(name, **options):
    kind = type(name, (InNumPy,), {"record": RULES[name]})
    return kind({"a.weight": np.ones((2, 3)), "a.bias": np.ones(2)}, **options)


@pytest.mark.parametrize("name", RULES)
def test_a_formula_gets_the_numbers_of_its_record_and_those_given(name):
    given = {"weight_decay": 0.5, "momentum": 0.25} if "momentum" in RULES[name].numbers else {"weight_decay": 0.5}
    optimizer = made(name, **given, decay_vectors=False)
    inside, beside = (0.0, 0.5) if name == "adamw" else (0.5, 0.0)
    expected = {**RULES[name].numbers, **given}
    weight, bias = optimizer.update({"a.weight": 0, "a.bias": 0}, 0.1)
    assert weight == (expected | {"weight_decay": inside}, beside)
    assert bias == (expected | {"weight_decay": 0.0}, 0.0)


def test_a_number_that_the_record_does_not_have_is_refused():
    with pytest.raises(TypeError, match=r"adam\(\) got an unexpected keyword argument 'momentum'"):
        made("adam", momentum=0.9)


def test_slots_start_where_the_record_says_and_come_back():
    optimizer = made("adagrad", initial_accumulator=0.25)
    slots = optimizer.get_slots()
    assert list(slots) == [f"a.{leaf}.{slot}" for leaf in ("weight", "bias") for slot in ("step", "sum")]
    assert (slots["a.weight.sum"] == 0.25).all()
    assert slots["a.weight.step"] == 0
    optimizer.set_slots({name: array + 1 for name, array in slots.items()})
    np.testing.assert_equal(optimizer.get_slots(), {name: array + 1 for name, array in slots.items()})


def test_the_signature_names_every_number():
    assert "momentum=0.9, dampening=0.0, nesterov=False" in str(inspect.signature(type(made("sgd"))))
