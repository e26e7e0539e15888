"""Forms of SGD and Adam are read off their own updates, with their numbers."""

from dataclasses import replace

import numpy as np
import pytest

from ft.parity.arrays import BARS
from ft.parity.probes.update_pairs import most_alike, unlike
from ft.parity.probes.update_rules import SGD, Adam, History, adam_rules, sgd_rules

CLOSE, SPACING, ELEMENTS = BARS["float64"]["cause"], float(np.finfo(float).eps), 300
PLAIN = SGD(0.9, nesterov=False, decay=0.0, decoupled=False, folded=False, rounded=False)
FORMS = [
    PLAIN,
    replace(PLAIN, momentum=0.0),
    replace(PLAIN, folded=True),
    replace(PLAIN, nesterov=True, decay=5e-4),
    replace(PLAIN, nesterov=True, decay=5e-4, decoupled=True, folded=True),
    replace(PLAIN, decay=5e-4, decoupled=True, rounded=True),
    replace(PLAIN, momentum=float(np.float32(0.9)), rounded=True),
]
ADAMS = [
    Adam(eps=1e-8, factor=1.0, decay=0.0, decoupled=False),
    Adam(eps=3e-6, factor=1 - 6.7e-6, decay=0.0, decoupled=False),
    Adam(eps=1e-8, factor=1.0, decay=0.01, decoupled=False),
    Adam(eps=1e-7, factor=1.0, decay=0.01, decoupled=True),
]


def trained(rule, rates):
    """Return what a parameter goes through under a rule; updates as differences of weights, rounded like these."""
    rng = np.random.default_rng(0)
    past = History(rates, (rng.normal(size=ELEMENTS) / 10,), (), (), SPACING)
    for step in range(len(rates)):
        gradient = rng.normal(size=ELEMENTS) * rng.uniform(size=ELEMENTS) ** 4 / 1000
        past = replace(past, rates=rates[: step + 1], gradients=(*past.gradients, gradient))
        update = rule.update(past) if isinstance(rule, Adam) else list(rule.updates(past))[-1]
        after = past.weights[-1] - update
        past = replace(past, updates=(*past.updates, past.weights[-1] - after), weights=(*past.weights, after))
    return replace(past, weights=past.weights[:-1])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_sgd_is_read_off_three_updates(form):
    rules = sgd_rules(trained(form, (0.001, 0.001, 0.0003)), close=CLOSE)
    assert len(rules) == 1
    assert not unlike(form, rules[0])
    assert rules[0].momentum == pytest.approx(form.momentum, abs=1e-10)


def test_one_change_of_rate_leaves_two_forms_that_the_other_side_tells_apart():
    rates = (0.001, 0.0003)
    plain, folded = (sgd_rules(trained(form, rates), close=CLOSE) for form in (PLAIN, replace(PLAIN, folded=True)))
    assert {rule.folded for rule in plain} == {False, True}
    pair = most_alike(plain, folded)
    assert pair is not None
    assert unlike(*pair) == {"folded"}
    assert pair[0].momentum == pytest.approx(0.9)


def test_the_same_rule_on_both_sides_is_alike():
    rules = sgd_rules(trained(PLAIN, (0.001, 0.0003)), close=CLOSE)
    pair = most_alike(rules, rules)
    assert pair is not None
    assert not unlike(*pair)


@pytest.mark.parametrize("rule", ADAMS, ids=str)
def test_adam_is_read_off_its_first_update(rule):
    past = trained(rule, (0.001,))
    assert any(not unlike(rule, read) for read in adam_rules(past, close=CLOSE))
    assert not sgd_rules(past, close=CLOSE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_of_numbers_that_are_not_finite_no_rule_is_read(bad):
    past = trained(PLAIN, (0.001,))
    past.gradients[0][3] = bad
    assert not sgd_rules(past, close=CLOSE)
    assert not adam_rules(past, close=CLOSE)


def test_of_a_rate_of_zero_no_rule_is_read():
    assert not sgd_rules(trained(PLAIN, (0.0, 0.001)), close=CLOSE)
