"""Weights of a user's own layers: which are linear layers, and how they lie, is read off a pass."""

import numpy as np
import pytest

from ft.backend.description import OTHER, Parameter
from ft.backend.forms import applied
from ft.backend.operations import Graph, Operation
from ft.parity.foreign.pairing import pair_parameters
from ft.parity.foreign.products import as_linear
from tests.ft.parity.test_pairing import model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 6))


def recorded(weight, product, bias=None):
    """Return a pass of `x @ weight + bias`, in whatever way the product is made."""
    graph = Graph()
    x, w = graph.add(X, "input x"), graph.add(weight, "parameter own.w")
    y = graph.add(product)
    graph.operations.append(Operation("matmul", "own", [x, w], [y]))
    if bias is not None:
        b = graph.add(bias, "parameter own.b")
        graph.operations.append(Operation("add", "own", [y, b], [graph.add(product + bias)]))
    return graph


@pytest.mark.parametrize(
    ("shape", "letters", "outputs"),
    [
        ((6, 3), "btd,do->bto", 3),
        ((3, 6), "btd,od->bto", 3),
        ((6, 6), "btd,do->bto", 6),
        ((6, 6), "btd,od->bto", 6),
        ((6, 2, 4), "btd,dhw->bthw", 8),
        ((2, 4, 6), "btd,hwd->bthw", 8),
    ],
)
def test_a_weight_of_the_users_own_is_turned_as_it_is_used(shape, letters, outputs):
    weight = RNG.normal(size=shape)
    y = np.einsum(letters, X, weight)
    own = {"own.w": Parameter("own.w", "own", "w", OTHER, shape, True)}
    flat = recorded(weight.reshape(6, -1), y.reshape(4, 5, -1)) if shape[0] == 6 else recorded(weight, y)
    flat.arrays[1] = weight  # the product may be made of another view of it
    ((parameter, form),) = as_linear(own, flat).values()
    assert (parameter.kind, parameter.leaf, parameter.layer, parameter.own) == ("linear", "weight", "own", True)
    assert parameter.shape == (outputs, 6)
    assert np.allclose(X @ applied(weight, form).T, y.reshape(4, 5, outputs))


def test_its_bias_comes_with_it_and_both_pair_with_a_linear_layer():
    weight, bias = RNG.normal(size=(6, 3)), RNG.normal(size=3)
    own = {
        name: Parameter(f"own.{name}", "own", name, OTHER, x.shape, True) for name, x in (("w", weight), ("b", bias))
    }
    parameters = {p.name: p for p in own.values()}
    linear = as_linear(parameters, recorded(weight, X @ weight, bias))
    assert {name: (p.leaf, p.shape) for name, (p, _) in linear.items()} == {
        "own.w": ("weight", (3, 6)),
        "own.b": ("bias", (3,)),
    }
    torch, tf = model(("fc", "linear", (3, 6))), model(("own", "linear", (3, 6)))
    both = tuple(p for p, _ in linear.values())
    pairs = pair_parameters(torch, type(tf)(tf.dtype, tf.outputs, both, tf.calls), {}).pairs
    assert {pair.torch: pair.keras for pair in pairs} == {"fc.weight": "own.w", "fc.bias": "own.b"}


def test_a_weight_that_is_no_product_is_left_alone():
    weight = RNG.normal(size=(5, 6))
    own = {"own.w": Parameter("own.w", "own", "w", OTHER, (5, 6), True)}
    assert not as_linear(own, recorded(weight, X * weight))
