"""Initial weights: torch.nn.init's distributions, by name, whatever stands beside them."""

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import initial_weights
from tests.oracle import needs_torch, torch

pytestmark = needs_torch
SHAPES = {
    "conv.weight": (64, 48, 5, 3),
    "conv.bias": (64,),
    "bn.weight": (64,),
    "bn.bias": (64,),
    "bn.running_mean": (64,),
    "bn.running_var": (64,),
    "bn.num_batches_tracked": (),
    "fc.weight": (700, 300),
    "fc.bias": (700,),
    "weight": (3, 20),
    "bias": (3,),
}
START = initial_weights(SHAPES, seed=3)


def quantiles(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])


def test_shapes_and_types() -> None:
    assert {name: tensor.shape for name, tensor in START.items()} == SHAPES
    assert list(START) == list(SHAPES)
    assert all(t.dtype == (np.int64 if name.endswith("tracked") else np.float64) for name, t in START.items())


def test_convolution_is_kaiming_normal_over_fan_out() -> None:
    torch.manual_seed(0)
    expected = torch.nn.init.kaiming_normal_(torch.empty(SHAPES["conv.weight"]), mode="fan_out", nonlinearity="relu")
    drawn = START["conv.weight"]
    np.testing.assert_allclose(drawn.std(), expected.numpy().std(), rtol=0.02)  # 46 080 draws: 0.3 % each
    np.testing.assert_allclose(quantiles(drawn), quantiles(expected.numpy()), atol=0.05 * drawn.std())


def test_linear_and_its_bias_are_torchs_default() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(300, 700)
    for leaf, tensor in module.named_parameters():
        drawn, expected = START[f"fc.{leaf}"], tensor.detach().numpy()
        tolerance = 0.02 if leaf == "weight" else 0.15
        np.testing.assert_allclose(quantiles(drawn), quantiles(expected), atol=tolerance / np.sqrt(300))
        assert 0.98 / np.sqrt(300) < np.abs(drawn).max() <= 1 / np.sqrt(300)


def test_names_without_a_prefix_are_siblings_too() -> None:
    assert np.all(np.abs(START["bias"]) <= 1 / np.sqrt(20))
    assert np.all(START["bias"] != 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("conv.bias", 0), ("bn.weight", 1), ("bn.bias", 0), ("bn.running_mean", 0), ("bn.running_var", 1),
     ("bn.num_batches_tracked", 0)],
)  # fmt: skip
def test_constants(name: str, value: int) -> None:
    assert np.all(START[name] == value)


def test_a_tensor_depends_on_its_name_and_the_seed_only() -> None:
    alone = initial_weights({"conv.weight": SHAPES["conv.weight"]}, seed=3)
    reordered = initial_weights({"new.weight": (5, 4, 3, 3), **dict(reversed(SHAPES.items()))}, seed=3)
    renamed = initial_weights({"other.weight": SHAPES["conv.weight"]}, seed=3)
    for tensors in (alone, reordered):
        np.testing.assert_array_equal(tensors["conv.weight"], START["conv.weight"])
    assert not np.any(renamed["other.weight"] == START["conv.weight"])
    assert not np.any(initial_weights(SHAPES, seed=4)["conv.weight"] == START["conv.weight"])
    assert not np.any(START["fc.weight"][:, 0] == START["fc.bias"])


def test_start_stays_what_it_is() -> None:
    """A change here changes every training from nothing: say so in the CHANGELOG under Numerics."""
    first = [-0.16122364235433825, -0.21225010360666066, 0.13837596208307432]
    np.testing.assert_allclose(START["weight"][0, :3], first, rtol=1e-15)


@pytest.mark.parametrize(
    ("shapes", "named"),
    [
        ({"register_token": (1, 1, 8)}, r"register_token \(1, 1, 8\)"),
        ({"attn.in_proj_bias": (24, 8)}, "attn.in_proj_bias"),
        ({"conv3d.weight": (2, 3, 4, 5, 6)}, "conv3d.weight"),
        ({"lonely.bias": (3,)}, "lonely.bias"),
        ({"gamma": (3,)}, "gamma"),
        ({"bn.running_var": (3, 1)}, "bn.running_var"),
        ({"bn.num_batches_tracked": (1,)}, "bn.num_batches_tracked"),
        ({"a": (1,), "conv.weight": (1, 1, 1, 1), "b": (2,)}, r"a \(1,\), b \(2,\) starts"),
    ],
)
def test_what_no_rule_covers_is_named(shapes: dict, named: str) -> None:
    with pytest.raises(WeightsError, match=named):
        initial_weights(shapes, seed=0)


def test_a_detector_s_convolutions_are_as_torchvision_s() -> None:
    from torchvision.models.detection.fcos import FCOSHead
    from torchvision.models.detection.retinanet import RetinaNetHead
    from torchvision.models.detection.rpn import RPNHead
    from torchvision.ops import FeaturePyramidNetwork

    torch.manual_seed(0)
    shape = (256, 256, 3, 3)
    names = {
        "backbone.fpn.layer_blocks.0.0.weight": FeaturePyramidNetwork([64], 256).layer_blocks[0][0].weight,
        "rpn.head.conv.0.0.weight": RPNHead(256, 3).conv[0][0].weight,
        "head.regression_head.conv.0.0.weight": RetinaNetHead(256, 9, 3).regression_head.conv[0][0].weight,
        "head.classification_head.conv.0.weight": FCOSHead(256, 1, 3).classification_head.conv[0].weight,
    }
    rare = "head.classification_head.cls_logits.bias"
    biases = RetinaNetHead(256, 9, 3).classification_head.cls_logits.bias.detach().numpy()
    np.testing.assert_allclose(initial_weights({rare: biases.shape}, seed=3)[rare], biases, rtol=1e-6)
    found = initial_weights(dict.fromkeys(names, shape), seed=3)
    for name, theirs in names.items():
        spread = np.abs(quantiles(theirs.detach().numpy())).max()
        np.testing.assert_allclose(quantiles(found[name]), quantiles(theirs.detach().numpy()), atol=0.02 * spread)


def test_an_ssd_s_convolutions_are_as_torchvision_s() -> None:
    from torchvision.models.detection.ssd import SSDHead
    from torchvision.models.detection.ssdlite import SSDLiteHead

    torch.manual_seed(0)
    ours = "head.regression_head.module_list.0"
    heads = SSDHead([512], [40], 91), SSDLiteHead([2000], [40], 91, torch.nn.BatchNorm2d)
    whole, lite = (head.get_submodule(ours.removeprefix("head.")) for head in heads)
    pairs = {
        f"{ours}.weight": whole.weight,
        "backbone.extra.0.7.3.weight": torch.nn.init.xavier_uniform_(torch.empty(1024, 1024, 1, 1)),
        "backbone.extra.2.2.weight": torch.nn.init.xavier_uniform_(torch.empty(256, 128, 3, 3)),
        f"{ours}.0.0.weight": lite[0][0].weight,
        f"{ours}.1.weight": lite[1].weight,
        "backbone.extra.3.1.0.weight": lite[0][0].weight,
        "backbone.extra.0.3.weight": torch.nn.init.kaiming_normal_(torch.empty(512, 512, 3, 3), mode="fan_out"),  # VGG
    }
    found = initial_weights({name: tuple(theirs.shape) for name, theirs in pairs.items()}, seed=3)
    for name, theirs in pairs.items():
        spread = np.abs(quantiles(theirs.detach().numpy())).max()
        np.testing.assert_allclose(quantiles(found[name]), quantiles(theirs.detach().numpy()), atol=0.03 * spread)
    assert (initial_weights({"backbone.scale_weight": (512,)}, seed=3)["backbone.scale_weight"] == 20).all()
