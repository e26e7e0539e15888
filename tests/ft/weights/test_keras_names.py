"""Keras's names and layouts into canonical ones, by hand; parity_tests/runs/test_convert.py asks Keras."""

import numpy as np
import pytest

from ft.weights.keras_names import canonical_name, is_keras_named, kernel_layout, to_torch_names

SHAPES = {
    "class_token": (1, 1, 8),
    "encoder.pos_embedding": (1, 5, 8),
    "stem.weight": (6, 3, 2, 4),
    "stem.bias": (6,),
    "bn.weight": (6,),
    "bn.bias": (6,),
    "bn.running_mean": (6,),
    "bn.running_var": (6,),
    "bn.num_batches_tracked": (),
    "depth.weight": (6, 1, 5, 2),
    "attn.table": (9, 2),
    "attn.qkv.weight": (7, 7),
    "fc.weight": (7, 6),
}


def tensors():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def in_keras(t):
    """Return tensors as Keras holds them: place, "LAYER/VARIABLE", array."""
    return [
        ("class_token/0", "class_token/class_token", t["class_token"]),
        ("encoder.pos_embedding/0", "encoder.pos_embedding/pos_embedding", t["encoder.pos_embedding"]),
        ("stem/0", "stem/kernel", t["stem.weight"].transpose(2, 3, 1, 0)),
        ("stem/1", "stem/bias", t["stem.bias"]),
        ("bn/0", "bn/gamma", t["bn.weight"]),
        ("bn/1", "bn/beta", t["bn.bias"]),
        ("bn/2", "bn/moving_mean", t["bn.running_mean"]),
        ("bn/3", "bn/moving_variance", t["bn.running_var"]),
        ("bn/4", "bn/num_batches_tracked", t["bn.num_batches_tracked"]),
        ("depth/0", "depth/kernel", t["depth.weight"].transpose(2, 3, 0, 1)),
        ("attn/0", "attn/table", t["attn.table"]),
        ("attn/qkv.weight", "attn/qkv.weight", t["attn.qkv.weight"]),  # of a class whose variables are known
        ("fc/0", "fc/kernel", t["fc.weight"].T),
    ]


@pytest.mark.parametrize("by_place", [True, False])
def test_names_and_layouts(by_place):
    held = {place if by_place else path: array for place, path, array in in_keras(tensors())}
    renamed = to_torch_names(held, SHAPES)
    assert sorted(renamed) == sorted(SHAPES)
    for name, tensor in tensors().items():
        assert renamed[name].tobytes() == tensor.tobytes(), name
        assert renamed[name].shape == tensor.shape
        assert renamed[name].flags.c_contiguous


def test_what_has_no_place_keeps_its_name():
    strange = {
        "fc/0": np.ones((6, 7)),
        "fc/1": np.ones(7),
        "fc/2": np.ones(7),
        "other/0": np.ones(1),
        "x/y": np.ones(1),
    }
    assert list(to_torch_names(strange, SHAPES)) == ["fc.weight", "fc/1", "fc/2", "other/0", "x.y"]


def test_two_names_for_one_tensor_stay_two():
    assert list(to_torch_names({"fc/kernel": np.ones((6, 7)), "fc/gamma": np.ones(7)}, SHAPES)) == [
        "fc.weight",
        "fc/gamma",
    ]


def test_one_input_channel_gives_the_same_tensor_either_way():
    kernel = np.arange(18.0).reshape(3, 3, 1, 2)
    assert kernel_layout(kernel.shape, (2, 1, 3, 3)) == "depthwise"
    tensor = to_torch_names({"c/kernel": kernel}, {"c.weight": (2, 1, 3, 3)})["c.weight"]
    np.testing.assert_array_equal(tensor, kernel.transpose(3, 2, 0, 1))


def test_whose_names():
    assert is_keras_named(["conv1/kernel", "fc/bias"])
    assert not is_keras_named(["conv1/kernel", "fc.bias"])
    assert canonical_name("layer1.0.bn1/moving_variance") == "layer1.0.bn1.running_var"
    assert canonical_name("encoder.pos_embedding/pos_embedding") == "encoder.pos_embedding"


def test_layers_of_other_names_go_by_place():
    """As in keras.applications' files: layers and variables have names that the sources have left behind."""
    shapes = {
        "conv.weight": (4, 3, 2, 2),
        "around.weight": (4, 3, 1, 1),
        "sep.depthwise.weight": (4, 1, 3, 3),
        "sep.pointwise.weight": (5, 4, 1, 1),
        "bn.weight": (5,),
        "bn.bias": (5,),
        "bn.running_mean": (5,),
        "bn.running_var": (5,),
        "predictions.weight": (6, 5),
        "predictions.bias": (6,),
    }
    rng = np.random.default_rng(0)
    t = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    held = {
        "conv2d_7/kernel": t["conv.weight"].transpose(2, 3, 1, 0),
        "around/conv_W": t["around.weight"].transpose(2, 3, 1, 0),  # by its name, though another would have come
        "sep_1/depthwise_kernel": t["sep.depthwise.weight"].transpose(2, 3, 0, 1),
        "sep_1/pointwise_kernel": t["sep.pointwise.weight"].transpose(2, 3, 1, 0),
        "bn/beta": t["bn.bias"],  # known by names, in whatever order
        "bn/gamma": t["bn.weight"],
        "bn/moving_variance": t["bn.running_var"],
        "bn/moving_mean": t["bn.running_mean"],
        "probs/probs_W": t["predictions.weight"].T,
        "probs/probs_b": t["predictions.bias"],
        "more/kernel": np.zeros((2, 2)),
    }
    by_place = to_torch_names(held, shapes, by_place=True)
    assert by_place.keys() == {*shapes, "more.weight"}
    assert all(np.array_equal(by_place[name], tensor) for name, tensor in t.items())
    by_name = to_torch_names(held, shapes)
    assert {"conv2d_7.weight", "sep_1.depthwise.weight", "probs.probs_W"} <= by_name.keys()
