"""Every value of every tensor lands in its place, and nothing that does not fit is taken."""

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.zoo import find_card
from tests.wings.installed import WINGS

NETWORKS = {"numpy": ["resnet18"]}  # of the others those below
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")

pytestmark = pytest.mark.parametrize(
    ("wing", "model"),
    [(wing, network) for wing in WINGS for network in NETWORKS.get(wing, ["resnet18", "efficientnet_lite0"])],
    indirect=True,
    scope="module",
)


@pytest.fixture(scope="module")
def model(request, wing):
    return wing.build_model(request.param, num_classes=7, dtype="float64")


def distinct(shapes):
    """Return tensors that share no value, counters included."""
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    parts = np.split(np.random.default_rng(0).permutation(sum(sizes)), np.cumsum(sizes)[:-1])
    kinds = (np.int64 if name.endswith("num_batches_tracked") else np.float64 for name in shapes)
    return {
        name: part.reshape(shape).astype(kind)
        for (name, shape), part, kind in zip(shapes.items(), parts, kinds, strict=True)
    }


def same(a, b):
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def test_every_value_lands(wing, model):
    tensors = distinct(wing.weight_shapes(model))
    wing.set_weights(model, tensors)
    got = wing.get_weights(model)
    assert list(got) == list(wing.weight_shapes(model))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(got[name], tensor, err_msg=name, strict=True)
        assert got[name].flags.c_contiguous


def test_what_is_left_out_is_not_got(wing, model):
    whole = wing.get_weights(model)
    left = {name for name in whole if name.startswith("layer1") or name.endswith("running_mean")}
    got = wing.get_weights(model, leave_out=left)
    assert same(got, {name: tensor for name, tensor in whole.items() if name not in left})


def test_what_is_got_is_a_copy(wing, model):
    before = wing.get_weights(model)
    for tensor in wing.get_weights(model).values():
        tensor += 1
    assert same(wing.get_weights(model), before)


def test_parameters_are_what_a_gradient_reaches(wing, model):
    names = list(wing.parameters(model))
    assert set(names) == {name for name in wing.weight_shapes(model) if not name.endswith(STATISTICS)}
    shapes = {name: tuple(tensor.shape) for name, tensor in wing.get_weights(model).items()}
    assert wing.weight_shapes(model) == shapes
    head = find_card("resnet18" if "fc.weight" in names else "efficientnet_lite0").last
    assert names[-2:] == [f"{head}.weight", f"{head}.bias"]
    assert shapes[f"{head}.weight"][0] == 7


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "1 missing: "),
        ("unexpected", "1 unexpected: stray"),
        ("misshapen", "1 of another shape: "),
        ("transposed", "looks like (in, out)"),
        ("integers", "1 of the wrong type: "),
    ],
)
def test_what_does_not_fit_changes_nothing(wing, model, kind, words):
    tensors = wing.get_weights(model)
    last = next(name for name in reversed(tensors) if tensors[name].ndim == 2)
    if kind == "missing":
        del tensors[last]
    elif kind == "unexpected":
        tensors["stray"] = np.zeros(3)
    elif kind == "misshapen":
        tensors[last] = tensors[last][:-1]
    elif kind == "transposed":
        tensors[last] = tensors[last].T
    else:
        tensors[last] = tensors[last].astype(np.int64)
    before = wing.get_weights(model)
    changed = {name: tensor + 1 for name, tensor in tensors.items()}
    with pytest.raises(WeightsError) as caught:
        wing.set_weights(model, changed)
    assert words in str(caught.value)
    assert same(wing.get_weights(model), before)


def test_other_float_types_are_cast(wing, model):
    halves = {
        name: (tensor % 1000).astype(np.float16) if tensor.dtype.kind == "f" else tensor
        for name, tensor in wing.get_weights(model).items()
    }
    wing.set_weights(model, halves)
    got = wing.get_weights(model)
    assert same(got, halves)
    assert all(tensor.dtype == ("int64" if name.endswith("tracked") else "float64") for name, tensor in got.items())
