"""Arrays found by their values: of several that fit the first, whatever the order in which they came."""

from weakref import ref

import numpy as np

from ft.parity.foreign.values import Table, mean_apart


def test_what_fits_comes_in_the_order_of_computation():
    x = np.arange(6.0)
    for numbers in ([2, 0, 1], [1, 2, 0]):
        assert Table({i: x[::-1] if i == 1 else x for i in numbers}, 1e-9).find(x) == [0, 1, 2]


def test_what_stands_for_infinity_is_infinitely_far():
    assert mean_apart(np.full(3, 1e300), np.zeros(3)) == np.inf
    assert mean_apart(np.full(3, 1e300), np.full(3, 1e300)) == 0.0


def test_what_is_found_belongs_to_the_array_and_not_to_its_place_in_memory():
    table, before, x = Table({0: np.arange(4.0), 1: np.arange(4.0) + 1}, 1e-9), np.arange(4.0), np.arange(4.0) + 1
    table.found[id(x)] = ref(before), table.find(before)  # as if the one before it had been there
    assert table.find(x) == table.find(x) == [1]
