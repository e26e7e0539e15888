"""Two traces: equal, or the first place where they part. Traces are written by hand; no framework is needed."""

import json
import re
from itertools import product

import numpy as np
import pytest

from ft.errors import RunError
from ft.parity.trace import EACH_STEP, FACTS, Trace, file_name
from ft.parity.verdict import aligned, compare_arrays, compare_traces
from ft.weights import write_safetensors

FACTS_OF_ALL = {"format": 2, "dtype": "float64", "recipe": {"lr": 0.1}, "data": "x", "classes": ["a"], "lr": [0.1, 0.1]}


def arrays():
    """Return the arrays of a trace of two steps, by (step, phase)."""
    rng = np.random.default_rng(0)
    numbers = {
        "weights": {"conv.weight": (4, 3, 3, 3), "bn.running_var": (4,)},
        "inference": {"conv": (2, 4, 5, 6), "conv<0": (2, 3, 5, 6), "logits": (2, 3)},
        "batch": {"images": (2, 5, 6, 3)},
        "forward": {"conv": (2, 4, 5, 6), "logits": (2, 3)},
        "statistics": {"bn.running_var": (4,), "bn.running_mean": (4,)},
        "loss": {"loss": ()},
        "gradients": {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,)},
        "updates": {"conv.weight": (4, 3, 3, 3)},
        "slots": {"conv.weight.momentum_buffer": (4, 3, 3, 3)},
    }
    places = [(None, "weights"), (None, "inference"), *((step, phase) for step in (0, 1) for phase in EACH_STEP)]
    drawn = {p: {name: rng.normal(size=shape) for name, shape in numbers[p[1]].items()} for p in places}
    for step in (0, 1):
        drawn[step, "gradients"]["conv.bias"] *= 1e-16  # a bias in front of a BatchNorm
        drawn[step, "statistics"]["bn.running_mean"] *= 1e-8  # of values that cancel
    return drawn


@pytest.fixture
def make_trace(tmp_path):
    """Write a trace and return it; `backend` "tf" turns images to N, H, W, C."""

    def make(backend, content, kind="conv", **facts):
        folder = tmp_path / f"{backend}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for (step, phase), named in content.items():
            if backend == "tf" and phase in ("inference", "forward"):
                named = {n: np.moveaxis(x, 1, -1) if x.ndim == 4 else x for n, x in named.items()}
            write_safetensors(folder / file_name(step, phase), named, {})
        call = {"kind": kind, "path": "conv", "inputs": [""], "settings": {}}
        axes = "NHWC" if backend == "tf" else "NCHW"
        call |= {} if facts.get("format") == 1 else {"axes": axes, "input_axes": [axes]}
        layers = {phase: {"conv": call} for phase in ("inference", "forward")}
        shared = {"backend": backend, "steps": 2, "update": True, "layers": layers, "parameters": ["conv.weight"]}
        (folder / FACTS).write_text(json.dumps({**FACTS_OF_ALL, **shared, **facts}))
        return Trace(folder)

    return make


@pytest.fixture
def pair(make_trace):
    """Two equal traces, then a change in the second."""

    def make(place=None, name="", change=lambda x: x, **facts):
        other = {p: dict(named) for p, named in arrays().items()}
        if place:
            other[place][name] = change(other[place][name].copy())
        return make_trace("torch", arrays()), make_trace("tf", other, **facts)

    return make


def test_equal(pair):
    verdict = compare_traces(*pair())
    assert verdict.first is None
    assert verdict.unpaired == ()
    assert {row.name for row in verdict.rows if row.zero} == {"conv.bias"}
    assert "conv<0" not in {row.name for row in verdict.rows}


def off(size):
    def change(x):
        x.flat[-1] += size * np.abs(x).max()
        return x

    return change


@pytest.mark.parametrize(
    ("place", "name", "enough", "too_little"),
    [
        ((None, "weights"), "bn.running_var", 1e-15, 0),
        ((None, "inference"), "conv", 2e-13, 5e-14),
        ((0, "batch"), "images", 1e-15, 0),
        ((0, "forward"), "conv", 2e-11, 5e-12),
        ((0, "statistics"), "bn.running_var", 2e-11, 5e-12),
        ((0, "loss"), "loss", 2e-11, 5e-12),
        ((0, "gradients"), "conv.weight", 2e-11, 5e-12),
        ((0, "updates"), "conv.weight", 2e-11, 5e-12),
        ((1, "slots"), "conv.weight.momentum_buffer", 2e-10, 5e-11),
    ],
)
def test_the_first_difference_is_placed(pair, place, name, enough, too_little):
    first = compare_traces(*pair(place, name, off(enough))).first
    assert (first.step, first.phase, first.name) == (*place, name)
    assert first.relative == pytest.approx(enough, rel=0.6)
    assert first.beyond == 1
    assert first.size == np.prod(arrays()[place][name].shape)
    assert compare_traces(*pair(place, name, off(too_little))).first is None


@pytest.mark.parametrize(("shift", "differs"), [(1e-15, False), (1e-9, True)])
def test_a_mean_of_values_that_cancel_is_measured_by_their_spread(pair, shift, differs):
    first = compare_traces(*pair((0, "statistics"), "bn.running_mean", lambda x: x + shift)).first
    assert (first is not None and first.name == "bn.running_mean") == differs


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_on_one_side(pair, bad):
    def spoil(x):
        x.flat[3] = bad
        return x

    first = compare_traces(*pair((0, "forward"), "conv", spoil)).first
    assert first.name == "conv"
    assert "1 elements are finite on one side only" in first.fault


def test_zero_in_one_only(pair):
    first = compare_traces(*pair((0, "gradients"), "conv.bias", lambda x: x + 1e-3)).first
    assert first.name == "conv.bias"
    assert "one only" in first.fault


def test_an_array_in_one_only_is_named(make_trace):
    more = arrays()
    more[0, "forward"]["extra"] = np.ones(3)
    assert compare_traces(make_trace("torch", arrays()), make_trace("tf", more)).unpaired == ("forward extra",)


def test_a_weight_in_one_only_is_refused(make_trace):
    more = arrays()
    more[None, "weights"]["extra"] = np.ones(3)
    with pytest.raises(RunError, match="extra of weights is in one"):
        compare_traces(make_trace("torch", arrays()), make_trace("tf", more))


def test_axes_are_moved_by_name():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(aligned(x, "NCHW", np.moveaxis(x, 1, -1), "NHWC"), x)
    np.testing.assert_array_equal(aligned(x, "NCHW", x.transpose(3, 0, 2, 1), "WNHC"), x)
    pooled, sizes = x[:, :, :1, :1], [(2, 3, 1, 1), (2, 1, 1, 3), (2, 3)]
    ways = [(pooled.reshape(size), axes) for size, axes in zip(sizes, ("NCHW", "NHWC", "NC"), strict=True)]
    for (one, axes_one), (other, axes_other) in product(ways, ways):
        np.testing.assert_array_equal(aligned(one, axes_one, other, axes_other), one)


CUBE, SQUARE, TOKENS = (np.random.default_rng(1).normal(size=size) for size in ((2, 4, 4, 4), (2, 5, 5), (2, 5, 7)))


@pytest.mark.parametrize(
    ("x", "axes", "y", "others", "fault"),
    [
        (CUBE, "NCHW", CUBE, "NHWC", ""),
        (CUBE, "NHWC", np.moveaxis(CUBE, 1, -1), "NHWC", ""),
        (SQUARE, "NTC", SQUARE.swapaxes(1, 2), "NTC", ""),
        (TOKENS, "NTC", TOKENS.swapaxes(1, 2), "NTC", r"shape \(2, 5, 7\) against \(2, 7, 5\)"),
        (TOKENS, "NTC", TOKENS, "NCH", r"axes NTC of \(2, 5, 7\) against NCH of \(2, 5, 7\)"),
        (CUBE, "NHWC", CUBE.reshape(2, 16, 4), "NTC", "axes NHWC of .* against NTC of"),
        (CUBE, "NCHW", CUBE.reshape(2, 64), "NC", "axes NCHW of .* against NC of"),
        (TOKENS, "NTC", TOKENS[..., None], "NTC", "axes NTC of .* against NTC of"),
        (TOKENS, "NTC", TOKENS, "", "axes NTC of .* against unsaid of"),
        (CUBE, "", np.moveaxis(CUBE, 1, -1), "", ""),  # weights and what belongs to them lie alike, or differ
        (SQUARE, "", SQUARE.reshape(2, 25), "", "shape"),
    ],
)
def test_no_order_is_tried_and_nothing_reshaped(x, axes, y, others, fault):
    row, _ = compare_arrays(0, "forward", "layer", x, y, 1e-11, axes=(axes, others))
    assert row.differs
    assert re.match(fault or "$", row.fault)


@pytest.mark.parametrize("phase", ["gradients", "updates"])
def test_a_transposed_kernel_is_a_difference(pair, phase):
    first = compare_traces(*pair((0, phase), "conv.weight", lambda x: np.moveaxis(x, 1, -1))).first
    assert (first.phase, first.name) == (phase, "conv.weight")


def test_a_trace_that_says_no_axes_has_those_of_its_framework(make_trace):
    traces = [make_trace(wing, arrays(), format=1) for wing in ("torch", "tf")]
    assert traces[1].axes("forward", "conv", 4) == "NHWC"
    assert [traces[1].axes("forward", "conv<0", rank) for rank in (2, 3)] == ["NC", "NTC"]
    assert compare_traces(*traces).first is None
    assert {trace.axes("forward", "logits", 2) for trace in traces} == {""}
    turning = make_trace("torch", arrays(), format=1, kind="layernorm")
    with pytest.raises(RunError, match="format 1, which does not say the axes of conv; write it again"):
        compare_traces(turning, traces[1])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"recipe": {"lr": 0.2}}, r"different recipes \(lr\)"),
        ({"dtype": "float32"}, "dtype is float64 .* and float32"),
        ({"data": "y"}, "data is x"),
        ({"classes": ["a", "b"]}, "classes is"),
    ],
)
def test_traces_of_other_things_are_refused(pair, facts, said):
    with pytest.raises(RunError, match=said):
        compare_traces(*pair(**facts))


def test_the_device_may_differ(pair):
    assert compare_traces(*pair(recipe={"lr": 0.1, "device": "cuda"})).first is None


def test_what_is_no_whole_trace_is_refused(pair, tmp_path):
    a, b = pair()
    file = b.folder / file_name(0, "forward")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(RunError, match="not whole"):
        compare_traces(a, b)
    file.unlink()
    with pytest.raises(RunError, match="lacks step-000-forward"):
        Trace(b.folder)
    (a.folder / FACTS).write_text('{"format": 99}')
    with pytest.raises(RunError, match="format 99"):
        Trace(a.folder)
    (a.folder / FACTS).write_text("[")
    with pytest.raises(RunError, match="found no JSON"):
        Trace(a.folder)
    with pytest.raises(RunError, match="no trace"):
        Trace(tmp_path / "nowhere")
