"""Strict matching: every rule once, and every way of not fitting."""

import ml_dtypes
import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights import match_weights
from ft.weights.match import strip_prefix

SHAPES = {
    "conv.weight": (5, 4, 3, 2),
    "bn.weight": (5,),
    "bn.num_batches_tracked": (),
    "fc.weight": (7, 5),
    "fc.bias": (7,),
}


def source(**changes: object) -> dict[str, np.ndarray]:
    """Tensors that fit, with names changed (`conv_weight=...`) or dropped (None)."""
    tensors: dict = {name: np.full(shape, 2.0, np.float32) for name, shape in SHAPES.items()}
    tensors["bn.num_batches_tracked"] = np.array(9, np.int64)
    tensors |= {name.replace("_", ".", 1): value for name, value in changes.items()}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def test_all_that_fits_is_loaded_as_it_is() -> None:
    tensors = source()
    match = match_weights(dict(reversed(tensors.items())), SHAPES)
    assert match.loaded == tuple(match.tensors) == tuple(SHAPES)
    assert all(match.tensors[name] is tensors[name] for name in SHAPES)
    assert (match.skipped, match.prefix) == ({}, "")


def test_new_head_is_skipped_whatever_its_shape() -> None:
    tensors = source(fc_weight=np.ones((1000, 5)), fc_extra=np.ones(3))
    match = match_weights(tensors, SHAPES, replaced={"fc.weight", "fc.bias", "fc.extra"})
    assert match.loaded == ("conv.weight", "bn.weight", "bn.num_batches_tracked") == tuple(match.tensors)
    assert match.skipped == dict.fromkeys(("fc.weight", "fc.bias", "fc.extra"), "new head")
    without = match_weights(source(fc_weight=None, fc_bias=None), SHAPES, replaced={"fc.weight", "fc.bias"})
    assert (without.loaded, without.skipped) == (match.loaded, {})


def test_counter_that_old_checkpoints_lack_starts_at_zero() -> None:
    match = match_weights(source(bn_num_batches_tracked=None), SHAPES)
    counter = match.tensors["bn.num_batches_tracked"]
    assert (counter.shape, counter.dtype, counter.item()) == ((), np.int64, 0)
    assert match.skipped == {"bn.num_batches_tracked": "counter starts at 0"}
    assert "bn.num_batches_tracked" not in match.loaded
    assert tuple(match.tensors) == tuple(SHAPES)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model.", "_orig_mod.", "module._orig_mod.net."])
def test_prefix_that_all_names_share_is_stripped_and_noted(prefix: str) -> None:
    match = match_weights({prefix + name: tensor for name, tensor in source().items()}, SHAPES)
    assert (match.prefix, match.loaded) == (prefix, tuple(SHAPES))


def test_without_the_model_only_the_prefixes_of_wrappers_are_cut() -> None:
    tensors = {"module._orig_mod." + name: tensor for name, tensor in source().items()}
    assert strip_prefix(tensors, {}) == ("module._orig_mod.", source_of(tensors, "module._orig_mod."))
    trunk = {"features." + name: tensor for name, tensor in tensors.items()}
    assert strip_prefix(trunk, {}) == ("", trunk)
    keras = {"net.conv/kernel": np.zeros(2), "net.fc/kernel": np.zeros(2)}
    assert strip_prefix(keras, SHAPES) == ("", keras)


def source_of(tensors: dict, prefix: str) -> dict:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def test_prefix_that_only_some_names_have_is_not_stripped() -> None:
    tensors = {("" if name == "fc.bias" else "module.") + name: tensor for name, tensor in source().items()}
    with pytest.raises(WeightsError, match=r"3 missing: conv\.weight.*4 unexpected: module\.conv\.weight"):
        match_weights(tensors, SHAPES)


def test_prefix_of_the_model_itself_is_not_stripped() -> None:
    shapes = {"model." + name: shape for name, shape in SHAPES.items()}
    match = match_weights({"model." + name: tensor for name, tensor in source().items()}, shapes)
    assert (match.prefix, match.loaded) == ("", tuple(shapes))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_any_floating_type_is_handed_on_uncast(dtype: type) -> None:
    assert match_weights(source(fc_bias=np.ones(7, dtype)), SHAPES).tensors["fc.bias"].dtype == dtype


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fc_bias": np.ones(7, np.int64)}, r"1 of the wrong type: fc\.bias \(int64\)"),
        ({"fc_bias": np.ones(7, bool)}, r"1 of the wrong type: fc\.bias \(bool\)"),
        ({"bn_num_batches_tracked": np.array(9.0)}, r"1 of the wrong type: bn\.num_batches_tracked \(float64\)"),
        ({"fc_bias": None}, r"1 missing: fc\.bias;"),
        ({"fc_more": np.ones(7)}, r"1 unexpected: fc\.more;"),
        ({"fc_bias": np.ones((7, 1))}, r"1 of another shape: fc\.bias \(file \(7, 1\), model \(7,\)\);"),
        ({"bn_num_batches_tracked": np.zeros(1, int)}, r"tracked \(file \(1,\), model \(\)\);"),
        ({"conv_weight": np.ones((3, 2, 4, 5))}, r"conv\.weight \(file \(3, 2, 4, 5\), model .*, looks like HWIO\);"),
        ({"conv_weight": np.ones((3, 2, 5, 4))}, r"model \(5, 4, 3, 2\)\);"),
        ({"fc_weight": np.ones((5, 7))}, r"fc\.weight \(file \(5, 7\), model \(7, 5\), looks like \(in, out\)\);"),
    ],
)
def test_misfit_is_refused(changes: dict, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        match_weights(source(**changes), SHAPES, origin="x.pth")
    assert str(caught.value).startswith("x.pth: ")
    assert str(caught.value).isprintable()


def test_depthwise_weight_in_keras_layout_is_recognised() -> None:
    with pytest.raises(WeightsError, match="looks like HWIO"):
        match_weights({"dw.weight": np.ones((3, 2, 6, 1))}, {"dw.weight": (6, 1, 3, 2)})


def test_all_misfits_come_in_one_error_that_lists_ten_of_each() -> None:
    shapes = SHAPES | {f"layer{i:02}.weight": (1,) for i in range(12)}
    with pytest.raises(WeightsError, match="12 missing") as caught:
        match_weights(source(fc_bias=np.ones(8), fc_more=np.ones(1), bn_weight=np.ones(5, int)), shapes)
    text = str(caught.value)
    assert all(part in text for part in ("layer00.weight", "layer09.weight and 2 more", "1 unexpected", "1 of another",
                                         "1 of the wrong type"))  # fmt: skip
    assert "layer10" not in text


def test_counters_of_batchnorms_that_are_frozen_in_the_model_are_left() -> None:
    """As torchvision's FrozenBatchNorm2d leaves them; that of a layer that is not there is unexpected."""
    shapes = {"bn.weight": (5,), "bn.running_var": (5,)}
    tensors = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    match = match_weights({**tensors, "bn.num_batches_tracked": np.array(9)}, shapes)
    assert (match.tensors.keys(), list(match.skipped)) == (shapes.keys(), ["bn.num_batches_tracked"])
    with pytest.raises(WeightsError, match="1 unexpected: other"):
        match_weights({**tensors, "other.num_batches_tracked": np.array(9)}, shapes)
