"""Layers known by what stands around them, from lists alone."""

from ft.parity.foreign.structure import matched_nodes


def graph(*edges, count):
    """Return what comes before each of so many layers, and after it."""
    before, after = [[{one[i] for one in edges if one[1 - i] == node} for node in range(count)] for i in (0, 1)]
    return before, after, [set() for _ in range(count)]


def test_branches_of_one_shape_are_told_by_their_depth():
    """Torch has a short branch (1) before a deep one (2, 3), Keras runs the deep one first."""
    torch = graph((0, 1), (0, 2), (2, 3), (1, 4), (3, 4), count=5)
    keras = graph((0, 2), (0, 1), (1, 3), (2, 4), (3, 4), count=5)
    assert dict(matched_nodes((torch, keras), ["c"] * 5)) == {0: 0, 1: 2, 2: 1, 3: 3, 4: 4}


def test_of_two_branches_the_one_that_pools_takes_something_else():
    """The first layer of a deep branch takes the same tensor as the short one (1); the one that pools (2) does not."""
    edges = (0, 1), (0, 2), (0, 3), (3, 4)
    torch, keras = graph(*edges, count=5), graph(*edges, count=5)
    torch[2][1], torch[2][3] = {3}, {1}
    keras[2][2], keras[2][3] = {3}, {2}
    assert dict(matched_nodes((torch, keras), ["c"] * 5)) == {0: 0, 1: 2, 2: 1, 3: 3, 4: 4}


def test_layers_that_stand_alike_stay_as_they_are():
    twins = graph((0, 1), (0, 2), (1, 3), (2, 3), count=4)
    assert dict(matched_nodes((twins, twins), ["c"] * 4)) == {i: i for i in range(4)}


def test_where_the_models_are_wired_otherwise_what_fits_nearby_counts():
    """One skips the third layer: the first two are told by their kinds, as before."""
    chain, skipping = graph((0, 1), (1, 2), (2, 3), count=4), graph((0, 1), (1, 2), (2, 3), (1, 3), count=4)
    assert dict(matched_nodes((chain, skipping), ["a", "b", "b", "d"])) == {i: i for i in range(4)}
