"""Arrays found by their values: of several that fit the first, whatever the order in which they came."""

from weakref import ref

import numpy as np

from ft.backend.operations import Graph, Operation
from ft.parity.foreign.states import Side, State, does_nothing
from ft.parity.foreign.values import Table, apart, mean_apart, same_order


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


def test_what_is_nan_in_both_is_the_same_and_in_one_is_not():
    x = np.array([1.0, np.nan, np.inf, 3.0])
    assert apart(x, x.copy()) == 0.0
    assert same_order(x, x + 1e-12, 1e-9)
    assert apart(x, np.array([1.0, 2.0, np.inf, 3.0])) == np.inf
    assert Table({0: x}, 1e-9).find(x[::-1].copy()) == [0]


def side(*operations):
    """Return a pass whose operations take one another's output: names, and what each gives."""
    graph = Graph()
    graph.add(np.arange(4.0), "input x")
    for i, (name, x) in enumerate(operations):
        graph.operations.append(Operation(name, f"layer{i}", [i], [graph.add(x)]))
    return Side(graph)


def test_of_what_hands_on_its_input_the_one_of_the_other_sides_kind_does_nothing():
    x = np.arange(4.0) + 1
    ours, theirs = side(("embedding", x), ("dropout", x), ("mul", x)), side(("GatherV2", x), ("Mul", 3 * x))
    state = State(ours, theirs, Table({}, 1e-9), (), {})
    assert [does_nothing(state, number, 2) for number in range(3)] == [False, False, True]
    assert not does_nothing(state, 2, 1)
