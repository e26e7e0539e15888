"""What belongs together in two models, from lists alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ft.backend.calls import Call, Calls, Given
from ft.backend.description import Description, Parameter, kind_of, silence
from ft.errors import RecipeError, WeightsError
from ft.parity.foreign.calls import pair_calls, rename_calls
from ft.parity.foreign.pairing import pair_parameters

LEAVES = {"conv": ("weight",), "norm": ("weight", "bias"), "linear": ("weight", "bias"), "relu": ()}


def model(*layers, automatic=(), edges=None, sep="."):
    """Describe a network: (path, kind, shape of its weight) in order; edges: inputs that are not the call before."""
    parameters, calls, last = [], {}, ""
    for path, kind, *shape in layers:
        for leaf in LEAVES.get(kind, ("weight",)) if shape else ():
            size = shape[0] if leaf == "weight" else shape[0][:1]
            name = f"{path}{sep}{leaf}" if path else leaf
            parameters.append(Parameter(name, path, leaf, kind if kind in LEAVES else "other", size, True))
        key = path
        while key in calls:
            key = f"{path}#{int(key.partition('#')[2] or 1) + 1}"
        calls[key] = Call(kind, path, (edges or {}).get(key, (last,)))
        last = key
    return Description("float64", (8, 5), tuple(parameters), calls, frozenset(automatic))


def paired(torch, tf, **given):
    return {pair.torch: (pair.keras, pair.rule) for pair in pair_parameters(torch, tf, given).pairs}


def test_names_win_over_order():
    torch = model(("block.a", "conv", (4, 4, 3, 3)), ("block.b", "conv", (4, 4, 3, 3)))
    tf = model(("block_b", "conv", (4, 4, 3, 3)), ("block/a", "conv", (4, 4, 3, 3)), sep="/")
    assert paired(torch, tf) == {
        "block.a.weight": ("block/a/weight", "name"),
        "block.b.weight": ("block_b/weight", "name"),
    }


def test_names_that_keras_made_up_say_nothing():
    same = (4, 4, 3, 3)
    torch = model(("conv2d_1", "conv", same), ("conv2d_2", "conv", same))
    tf = model(("conv2d", "conv", same), ("conv2d_1", "conv", same), automatic=["conv2d", "conv2d_1"])
    assert paired(torch, tf) == {
        "conv2d_1.weight": ("conv2d.weight", "order"),
        "conv2d_2.weight": ("conv2d_1.weight", "order"),
    }


def test_a_kernel_that_lies_is_none_that_stands():
    torch = model(("a", "conv", (4, 4, 1, 3)), ("b", "conv", (4, 4, 3, 1)), edges={"b": ("",)})
    tf = model(("p", "conv", (4, 4, 3, 1)), ("q", "conv", (4, 4, 1, 3)), edges={"q": ("",)})
    assert {a: b for a, (b, _) in paired(torch, tf).items()} == {"a.weight": "q.weight", "b.weight": "p.weight"}


def test_the_order_is_that_of_the_calls():
    torch = model(("x", "linear", (4, 4)), ("y", "linear", (4, 4)))
    tf = model(("p", "linear", (4, 4)), ("q", "linear", (4, 4)))
    tf = replace(tf, calls=dict(reversed(tf.calls.items())))
    assert paired(torch, tf)["x.weight"] == ("q.weight", "order")


def test_a_layer_is_known_by_what_feeds_it():
    """A residual block: PyTorch runs the shortcut last, Keras first, and all three BatchNorms have one shape."""
    big, small, norm = (8, 4, 3, 3), (8, 4, 1, 1), (8,)
    torch = model(
        *(("c1", "conv", big), ("n1", "norm", norm), ("c2", "conv", (8, 8, 3, 3)), ("n2", "norm", norm)),
        *(("short", "conv", small), ("ns", "norm", norm), ("add", "add")),
        edges={"short": ("",), "add": ("n2", "ns")},
    )
    tf = model(
        *(("s", "conv", small), ("t", "norm", norm), ("a", "conv", big), ("b", "norm", norm)),
        *(("d", "conv", (8, 8, 3, 3)), ("e", "norm", norm), ("plus", "add")),
        edges={"a": ("",), "plus": ("t", "e")},
    )
    layers = {torch.partition(".")[0]: keras.partition(".")[0] for torch, (keras, _) in paired(torch, tf).items()}
    assert layers == {"c1": "a", "n1": "b", "c2": "d", "n2": "e", "short": "s", "ns": "t"}
    keys = pair_calls(torch, tf, pair_parameters(torch, tf, {}).pairs)
    assert keys["plus"] == "add"


def test_layers_of_the_users_own_pair_by_shape():
    torch = model(("scale", "layerscale", (6,)), ("fc", "linear", (5, 6)), ("shift", "layershift", (6,)))
    tf = model(("a", "scaling", (6,)), ("head", "linear", (5, 6)), ("b", "shifting", (6,)))
    assert [keras for keras, _ in paired(torch, tf).values()] == ["a.weight", "head.weight", "head.bias", "b.weight"]


def test_a_layer_of_the_users_own_has_parts_of_one_that_is_not():
    torch = model(("a", "linear", (6, 4)))
    tf = model(("mine", "own", (6, 4)))
    own = replace(tf, parameters=(*tf.parameters, Parameter("mine.bias", "mine", "bias", "other", (6,), True)))
    assert paired(torch, own) == {"a.weight": ("mine.weight", "order"), "a.bias": ("mine.bias", "order")}


def test_the_map_corrects():
    torch = model(("x", "linear", (4, 4)), ("y", "linear", (4, 4)))
    tf = model(("p", "linear", (4, 4)), ("q", "linear", (4, 4)))
    partners = paired(torch, tf, **{"x.weight": "q.weight", "x.bias": "q.bias"})
    assert partners["x.bias"] == ("q.bias", "map")
    assert partners["y.weight"] == ("p.weight", "order")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x.wight": "p.weight"}, "unknown PyTorch parameter 'x.wight'; did you mean 'x.weight'"),
        ({"x.weight": "p/weight"}, "unknown Keras variable 'p/weight'; did you mean 'p.weight'"),
        ({"x.weight": "p.bias"}, r"x.weight is \(4, 4\), p.bias is \(4,\)"),
        ({"x.weight": "p.weight", "y.weight": "p.weight"}, "unknown Keras variable 'p.weight'; .*each name once"),
    ],
)
def test_a_map_that_cannot_be(given, message):
    torch = model(("x", "linear", (4, 4)), ("y", "linear", (4, 4)))
    tf = model(("p", "linear", (4, 4)), ("q", "linear", (4, 4)))
    with pytest.raises(RecipeError, match=message):
        pair_parameters(torch, tf, given)


def test_what_is_left_over_is_listed():
    torch = model(("x", "linear", (4, 3)), ("y", "linear", (5, 4)), ("z", "norm", (5,)))
    tf = model(("p", "linear", (4, 3)), ("q", "linear", (5, 6)))
    message = (
        r"left over y.weight \(5, 4\), y.bias \(5,\), z.weight .* in torch and q.weight \(5, 6\), q.bias \(5,\) in tf"
    )
    with pytest.raises(WeightsError, match=message) as caught:
        pair_parameters(torch, tf, {})
    assert "\n" not in str(caught.value)
    assert "--map FILE" in str(caught.value)


def test_constants_of_the_users_own_may_stay_alone():
    mean = Parameter("mean", "", "mean", "other", (3, 1, 1), False)
    torch = model(("x", "linear", (4, 3)))
    pairing = pair_parameters(replace(torch, parameters=(mean, *torch.parameters)), torch, {})
    assert pairing.left == ([mean], [])


def test_what_no_output_depends_on_may_stay_alone():
    one, other = model(("a", "linear", (4, 4))), model(("a", "linear", (4, 4)))
    spare = Parameter("spare.weight", "spare", "weight", "conv", (3, 3), True)
    one = replace(one, parameters=(*one.parameters, spare))
    pairing = pair_parameters(one, other, {}, lambda side: {})
    assert [p.name for p in pairing.neutral[0]] == ["spare.weight"]
    assert pairing.unused == {(0, "spare.weight")}
    with pytest.raises(WeightsError, match=r"left over spare\.weight"):
        pair_parameters(one, other, {}, lambda side: {"spare.weight": 1})


def test_a_scale_that_one_norm_lacks_is_no_weight_that_another_has_twice():
    """Keras meets a moving variance in two operations: it is used twice, and shared with nothing."""
    leaves = ("weight", "bias", "running_mean", "running_var")
    parts = [Parameter(f"n.{leaf}", "n", leaf, "norm", (6,), leaf[:1] != "r") for leaf in leaves]
    one = replace(model(("n", "norm")), parameters=tuple(parts))
    other = replace(one, parameters=tuple(parts[1:]))
    pairing = pair_parameters(one, other, {}, lambda side: {p.name: 2 for p in parts})
    assert not pairing.ties
    assert [p.name for p in pairing.neutral[0]] == ["n.weight"]


def test_calls_pair_by_name_then_by_what_is_around():
    torch = model(
        *(("c", "conv", (4, 3, 3, 3)), ("act", "relu"), ("pool", "maxpool"), ("flat", "flatten")),
        *(("f", "linear", (5, 4)), ("act", "relu6"), ("drop", "dropout"), ("g", "linear", (5, 5))),
    )
    tf = model(
        *(("pad", "zeropadding2d"), ("k", "conv", (4, 3, 3, 3)), ("re_lu", "relu"), ("p", "maxpool")),
        *(("d", "linear", (5, 4)), ("re_lu_1", "relu"), ("drop", "spatialdropout2d"), ("e", "linear", (5, 5))),
    )
    keys = pair_calls(torch, tf, pair_parameters(torch, tf, {}).pairs)
    assert keys | {"k": "c"} == keys
    assert {key: keys.get(key) for key in tf.calls if key not in "kde"} == {
        "pad": None,
        "re_lu": "act",
        "p": "pool",
        "re_lu_1": "act#2",
        "drop": "drop",
    }


def test_calls_whose_inputs_no_call_gave_pair_by_their_neighbours():
    torch = model(("c", "conv", (4, 3, 3, 3)), ("add", "add"), ("act", "relu"), ("d", "conv", (4, 4, 3, 3)))
    tf = model(("c", "conv", (4, 3, 3, 3)), ("r", "relu"), ("d", "conv", (4, 4, 3, 3)), edges={"r": ("",), "d": ("r",)})
    assert pair_calls(torch, tf, pair_parameters(torch, tf, {}).pairs)["r"] == "act"


def test_calls_are_renamed_with_all_that_points_to_them():
    calls = Calls()
    first = calls.add("conv2d", np.zeros(1), kind="conv", axes="N", given=Given([""], [np.ones(2)], ["NC"]))
    second = calls.add("re_lu", np.zeros(2), kind="relu", axes="C", given=Given([first], [None], ["N"]))
    calls.add("re_lu", np.zeros(3), kind="relu", axes="C", given=Given([second], [None], ["C"]))
    rename_calls(calls, {"conv2d": "features.0", "re_lu": "act", "re_lu#2": "act#2"})
    assert [(key, call.path, call.inputs, call.axes, call.input_axes) for key, call in calls.calls.items()] == [
        ("features.0", "features.0", ("",), "N", ("NC",)),
        ("act", "act", ("features.0",), "C", ("N",)),
        ("act#2", "act", ("act",), "C", ("C",)),
    ]
    assert {name: x.size for name, x in calls.arrays.items()} == {
        "features.0": 1,
        "features.0<0": 2,
        "act": 2,
        "act#2": 3,
    }


def test_a_description_survives_json():
    described = model(("c", "conv", (4, 3, 3, 3)), ("act", "relu"), automatic=["act"])
    assert Description.from_dict(json.loads(json.dumps(described.to_dict()))) == described


def test_kinds_go_by_the_class_or_what_it_is_made_from():
    class Linear:
        pass

    class Theirs(Linear):
        pass

    assert kind_of(Theirs()) == "linear"
    assert kind_of(object()) == "other"


def test_only_noise_is_silenced():
    class Layer:
        def __init__(self, **settings):
            vars(self).update(settings)

    class DropPath(Layer):
        pass

    class MultiheadAttention(Layer):
        pass

    drop, attention, power = DropPath(drop_prob=0.2), MultiheadAttention(dropout=0.1), Layer(p=2)
    assert silence("a", drop) == "a (drop_prob 0.2)"
    assert silence("a", drop) == ""
    assert silence("b", attention) == "b (dropout 0.1)"
    assert silence("c", power) == ""
    fixed = type(
        "MultiHeadAttention", (), {"dropout": property(lambda self: 0.1)}
    )()  # as Keras's: a layer inside drops
    assert silence("d", fixed) == ""
    assert (drop.drop_prob, attention.dropout, power.p) == (0, 0, 2)
