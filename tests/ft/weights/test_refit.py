"""Pretrained tensors after surgery. Resizing has its oracle in tests/ft_torch/test_surgery.py."""

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.network.surgery import plan_surgery
from ft.recipe import Recipe
from ft.weights.match import match_weights
from ft.weights.refit import refit, to_channels
from ft.weights.resize import bicubic_matrix, resize_bicubic
from ft.zoo import find_card

SHAPES = {
    "conv1.weight": (4, 3, 5, 5),
    "layer1.0.conv1.weight": (6, 4, 3, 3),
    "layer4.0.conv1.weight": (7, 6, 3, 3),
    "fc.weight": (9, 7),
    "fc.bias": (9,),
}
SOURCE = {name: np.random.default_rng(0).normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def fitted(shapes, source=SOURCE, *, in_weights="average", **fields):
    """Return the tensors fitted to a small "resnet18" of these shapes."""
    card, recipe = find_card("resnet18"), Recipe(model="resnet18", **fields)
    surgery = plan_surgery(card, recipe)
    return refit(source, shapes, card=surgery.card if surgery else card, surgery=surgery, in_weights=in_weights)


def test_without_surgery_nothing_happens():
    fit = fitted(SHAPES)
    assert fit.tensors == SOURCE
    assert (fit.fresh, fit.notes) == ((), ())


def test_a_cut_leaves_tensors_out_and_says_so():
    left = {name: SHAPES[name] for name in ("conv1.weight", "layer1.0.conv1.weight")} | {"fc.weight": (9, 6)}
    fit = fitted(left, cut="layer2")
    assert "layer4.0.conv1.weight" not in fit.tensors
    assert fit.notes == ("left out of the weights: 1 tensors of layer4",)


def test_a_strange_tensor_before_the_cut_is_still_an_error():
    left = {"conv1.weight": SHAPES["conv1.weight"]}
    fit = fitted(left, cut="layer2")
    with pytest.raises(WeightsError, match=r"unexpected: layer1\.0\.conv1\.weight"):
        match_weights(fit.tensors, left, replaced=("fc.weight", "fc.bias"))


def test_a_new_head_starts_anew():
    shapes = {name: shape for name, shape in SHAPES.items() if name[:2] != "fc"} | {"fc.0.weight": (2, 7)}
    fit = fitted(shapes, head="2-relu")
    assert fit.fresh == ("fc.0.weight",)
    assert not any(name.startswith("fc") for name in fit.tensors)


def test_a_wrapped_file_is_unwrapped_first():
    fit = fitted(SHAPES, {f"module.{name}": tensor for name, tensor in SOURCE.items()}, pool="max")
    assert fit.tensors.keys() == SOURCE.keys()


def test_another_kernel_starts_anew_another_stride_does_not():
    shapes = {**SHAPES, "layer1.0.conv1.weight": (6, 4, 5, 5)}
    fit = fitted(shapes, change="layer1.0.conv1:kernel=5,layer4.0.conv1:stride=2")
    assert fit.fresh == ("layer1.0.conv1.weight",)
    assert "layer4.0.conv1.weight" in fit.tensors


@pytest.mark.parametrize("rule", ["average", "repeat"])
@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_the_first_convolution_by_its_formula(rule, channels):
    weight = SOURCE["conv1.weight"].astype(np.float64)
    fit = fitted({**SHAPES, "conv1.weight": (4, channels, 5, 5)}, in_channels=channels, in_weights=rule)
    ours = fit.tensors["conv1.weight"]
    assert ours.dtype == np.float32
    for n in range(channels):
        expected = weight.sum(1) / channels if rule == "average" else weight[:, n % 3] * 3 / channels
        np.testing.assert_allclose(ours[:, n], expected, rtol=1e-6)
    assert fit.notes == (f"conv1.weight: {rule} of 3 channels for {channels}",)


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_equal_channels_give_what_three_gave(channels):
    weight = SOURCE["conv1.weight"].astype(np.float64)
    np.testing.assert_allclose(to_channels(weight, channels, "average").sum(1), weight.sum(1), rtol=1e-13)


def test_positions_are_resized_only_where_they_are_squares():
    card = find_card("vit_b_16")
    grid = np.random.default_rng(0).normal(size=(1, 1 + 9, 4))
    shapes = {"encoder.pos_embedding": (1, 1 + 16, 4)}
    fit = refit({"encoder.pos_embedding": grid}, shapes, card=card, surgery=None, in_weights="average")
    tensor = fit.tensors["encoder.pos_embedding"]
    assert tensor.shape == (1, 17, 4)
    np.testing.assert_array_equal(tensor[:, 0], grid[:, 0])
    np.testing.assert_allclose(tensor[0, [1, 4, 13, 16]], grid[0, [1, 3, 7, 9]])  # corners on corners
    assert fit.notes == ("resized to this network: 1 of pos_embedding",)
    odd = {"encoder.pos_embedding": grid[:, :-1]}
    assert not refit(odd, shapes, card=card, surgery=None, in_weights="average").notes


@pytest.mark.parametrize("align_corners", [True, False])
def test_bicubic_rows_sum_to_one_and_the_same_size_changes_nothing(align_corners):
    np.testing.assert_allclose(bicubic_matrix(7, 12, align_corners=align_corners).sum(1), 1, rtol=1e-14)
    grid = np.random.default_rng(0).normal(size=(5, 5, 3))
    np.testing.assert_allclose(resize_bicubic(grid, 5, align_corners=align_corners), grid, rtol=1e-14)
