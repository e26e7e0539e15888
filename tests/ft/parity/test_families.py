"""Families of functions: each reads off its numbers from inputs and outputs, and is none where it does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from ft.parity.families import FAMILIES, Case, attention, recurrent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 8, 10))
TOKENS = RNG.normal(size=(3, 5, 6))


def told(family: str, output: np.ndarray, *inputs: np.ndarray, **parameters: np.ndarray) -> str | None:
    """Return what a family takes an operation for."""
    return FAMILIES[family](Case(inputs or (X,), parameters, output))


@pytest.mark.parametrize(
    ("family", "output", "words"),
    [
        ("activation", np.maximum(X, 0), "relu"),
        ("activation", np.where(X > 0, X, 0.3 * X), "leaky_relu(0.3)"),
        ("activation", np.clip(X, -0.5, 1.25), "clip(-0.5, 1.25)"),
        ("activation", np.where(X > 0, X, 0.5 * np.expm1(X)), "elu(0.5)"),
        ("activation", np.log(X + 7), "log(x + 7)"),
        ("combination", 0.5 * X + 2, "0.5 * x + 2 * 1"),
        ("reduction", X.mean((2, 3)), "mean over axes 2, 3"),
        ("reduction", X.std(1, ddof=1), "standard deviation (n - 1) over axes 1"),
        ("reduction", X[:, -1], "the last along axis 1"),
        ("softmax", np.exp(X) / np.exp(X).sum(1, keepdims=True), "softmax along axis 1"),
        ("element order", X.transpose(0, 2, 3, 1).reshape(4, -1), "axes (0, 2, 3, 1) then as it lies"),
        ("element order", X[:, ::-1], "turned along axis 1"),
        ("element order", X[:, [1, 0, 2, 3, 5, 4]], "along axis 1: 1, 0, 2, 3, 5, 4"),
        ("padding", np.pad(X, [(0, 0), (0, 0), (0, 1), (0, 1)], mode="reflect"), "reflect, 0 before"),
        ("resize", X.repeat(2, 2).repeat(2, 3), "nearest, half pixels"),
        ("pooling", np.maximum(X[:, :, ::2], X[:, :, 1::2]).reshape(4, 6, 4, 5, 2).max(-1), "maximum of 2"),
    ],
)
def test_numbers_are_read_off(family, output, words):
    assert (told(family, output) or "").startswith(words)
    assert told(family, output + 1e-3 * X.mean() * RNG.normal(size=output.shape)) is None


def test_a_norm_tells_its_axes_its_eps_and_its_count():
    weight, bias = RNG.normal(size=6), RNG.normal(size=6)
    for axes, words in (((-1,), "over axis 2 (eps 0.003)"),):
        power = TOKENS.var(axes, keepdims=True)
        y = (TOKENS - TOKENS.mean(axes, keepdims=True)) / np.sqrt(power + 0.003) * weight + bias
        assert told("normalisation", y, TOKENS, weight=weight, bias=bias) == words
    rms = TOKENS / np.sqrt((TOKENS**2).mean(-1, keepdims=True) + 1e-6) * weight
    assert told("normalisation", rms, TOKENS, weight=weight) == "over axis 2 without a mean (eps 1e-06)"


def test_a_sum_tells_its_factors():
    other = RNG.normal(size=X.shape)
    assert told("combination", X + 0.25 * other, X, other) == "x0 + 0.25 * x1"
    assert told("combination", X * other, X, other) == "x0 * x1"
    assert told("combination", np.concatenate([X, other], 1), X, other) is None
    assert told("element order", np.concatenate([other, X], 1), X, other) == "joined along axis 1: 1, 0"


def correlated(x, weight, pads, strides, dilations=(1, 1)):
    """Return a convolution of maps (N, C, H, W) by SciPy."""
    wide = np.zeros((*weight.shape[:2], *((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True))))
    wide[:, :, :: dilations[0], :: dilations[1]] = weight
    x, groups = np.pad(x, [(0, 0), (0, 0), *pads]), x.shape[1] // weight.shape[1]
    cuts = np.repeat(np.split(x, groups, 1), len(weight) // groups, 0)  # what each output channel sees
    maps = [
        [signal.correlate(image, kernel, "valid")[0] for image in cut] for cut, kernel in zip(cuts, wide, strict=True)
    ]
    return np.stack(maps, 1)[:, :, :: strides[0], :: strides[1]]


@pytest.mark.parametrize(
    ("kernel", "pads", "strides", "dilations", "words"),
    [
        ((3, 3), [(0, 1), (0, 1)], (2, 2), (1, 1), "padded by 0 before and 1 after, stride 2"),
        ((3, 3), [(2, 2), (2, 2)], (1, 1), (2, 2), "padded by 2 on each side, stride 1, dilation 2"),
        ((1, 5), [(0, 0), (0, 0)], (1, 1), (1, 1), "padded by 0 on each side, stride 1"),
        (
            (2, 5),
            [(0, 0), (2, 2)],
            (2, 1),
            (1, 1),
            "padded by 0 on each side, stride 2 in height and padded by 2 on each side, stride 1 in width",
        ),
        ((8, 8), [(0, 0), (0, 0)], (8, 8), (1, 1), "padded by 0 on each side, stride 8"),
    ],
)
def test_a_convolution_tells_its_pads_and_its_strides(kernel, pads, strides, dilations, words):
    x = RNG.normal(size=(2, 6, 16, 24))
    weight = RNG.normal(size=(4, 3, *kernel))  # two groups of three channels
    y = correlated(x, weight, pads, strides, dilations)
    assert told("convolution", y, x, weight=weight) == words
    y[..., -1, -1] += 1e-3
    assert told("convolution", y, x, weight=weight) is None


def test_a_pooling_tells_the_window_of_each_axis():
    y = X.reshape(4, 6, 8, 5, 2).mean(-1)
    one = "1, padded by 0 on each side, stride 1 in height"
    assert told("pooling", y, X) == f"mean of {one} and 2, padded by 0 on each side, stride 2 in width"


def test_a_map_padded_by_other_numbers_in_each_axis_tells_them():
    y = np.pad(X, [(0, 0), (0, 0), (0, 1), (2, 1)], constant_values=0.5)
    assert told("padding", y, X) == "0.5, 0, 2 before"


def test_a_transposed_convolution_tells_stride_and_crop():
    weight, wide = RNG.normal(size=(6, 4, 2, 3)), np.zeros((4, 6, 18, 19))
    wide[:, :, 1::2, 2::2][:, :, :8, :8] = X[..., :8]  # spaced out, in a frame as wide as the kernel allows, and 1 more
    y = correlated(wide, np.flip(weight, (2, 3)).swapaxes(0, 1), [(0, 0), (0, 0)], (1, 1))
    told_of = told("transposed convolution", y, X[..., :8], weight=weight)
    assert told_of == (
        "transposed, stride 2, cropped by 0 before and widened by 1 after in height"
        " and stride 2, cropped by 0 before and 0 after in width"
    )


def test_infinities_count_as_large_numbers_at_their_places():
    from ft.parity.families.same import same

    x = np.array([1.0, -np.inf, 2.0])
    assert same(x, np.array([1.0, -1e300, 2.0]), 1e-9)
    assert not same(x, np.array([1.0, 0.0, 2.0]), 1e-9)
    assert not same(x, np.array([1.1, -np.inf, 2.0]), 1e-9)


@pytest.mark.parametrize("width", [8, 32])
def test_attention_tells_a_scale_that_is_rounded_to_float32(width):
    exact, rounded = width**-0.5, float(np.float32(width**-0.5))
    words = f"scale {exact:.15g}", f"scale {rounded!r} (rounded to float32)"
    q, k, v = RNG.normal(size=(3, 2, 4, 5, width))
    keys = k.swapaxes(-1, -2)
    for scale, word in zip((exact, rounded), words, strict=True):
        case = Case((q, keys), {}, scale * (q @ keys), close=1e-11)
        assert FAMILIES["attention"](case) == f"scores, {word}"
        shares = np.exp(scale * (q @ keys))
        case = Case((q, k, v), {}, shares / shares.sum(-1, keepdims=True) @ v, close=1e-11)
        assert FAMILIES["attention"](case) == f"all positions, {word}"
    assert told("attention", np.tanh(q @ keys), q, keys) is None


@pytest.mark.parametrize(("words", "near"), [("both halves", False), ("neighbours", True)])
def test_rotary_positions_tell_their_pairs_and_their_base(words, near):
    x = RNG.normal(size=(2, 3, 7, 10))  # heads before positions; of ten channels eight are turned
    turns = np.exp(1j * np.arange(2, 9)[:, None] * 500.0 ** (-np.arange(4) / 4))
    one, two = (slice(0, 8, 2), slice(1, 8, 2)) if near else (slice(0, 4), slice(4, 8))
    z = (x[..., one] + 1j * x[..., two]) * turns
    y = x.copy()
    y[..., one], y[..., two] = z.real, z.imag
    told_words = f"rotary positions along axis 2: {words}, base 500 from position 2, the first 8 channels"
    assert told("rotation", y, x) == told_words
    assert told("rotation", y + 1e-6 * x, x) is None


def test_a_recurrent_cell_tells_what_it_does_at_masked_steps():
    weights = {"weight_ih": RNG.normal(size=(16, 6)), "weight_hh": RNG.normal(size=(16, 4)), "bias_ih": np.ones(16)}
    lengths = np.array([5, 2, 3])
    keep = np.arange(5) < lengths[:, None]
    case = Case((TOKENS, keep.astype(np.uint8)), weights, np.zeros((3, 5, 4)))
    for way in recurrent.ways(keep):
        ((words, step), *_) = recurrent.cells(weights, 4, 4)
        y = recurrent.unrolled(step, TOKENS, 4, way)
        assert recurrent.fit(replace(case, output=y)) == words + way.words
        assert recurrent.fit(replace(case, output=y, inputs=(lengths, TOKENS))) == words + way.words


def test_attention_tells_whom_tokens_ask_and_whom_a_mask_leaves_out():
    asked, keep = RNG.normal(size=(3, 7, 6)), RNG.random((3, 7)) < 0.6
    keep[:, 0], keep[:, 1] = True, False
    weights = {"in_proj_weight": RNG.normal(size=(18, 6)), "weight": RNG.normal(size=(6, 6)), "bias": np.ones(6)}
    for mask, seen in ((False, "all positions"), (keep[:, None, None], "those that the mask keeps")):
        y = attention.attended(TOKENS, asked, weights, 2, 1.0, mask, -1)
        case = Case((asked, TOKENS, keep.astype(np.uint8)), weights, y)
        assert attention.fit(case) == f"2 heads, {seen}, scale 1"


def test_a_graph_tells_how_its_degrees_divide_it():
    edges = (RNG.random((2, 5, 5)) < 0.5) + np.eye(5)
    degrees = edges.sum(-1, keepdims=True)
    assert told("division", edges / degrees, edges) == "over its sum along axis 2"
    rows, columns = degrees, edges.sum(-2, keepdims=True)
    words = "over the roots of its sums along the last two axes"
    assert told("division", edges / np.sqrt(rows * columns), edges) == words


def test_a_slope_that_is_rounded_to_float32_is_told_in_full():
    y = np.where(X > 0, X, float(np.float32(0.2)) * X)
    assert FAMILIES["activation"](Case((X,), {}, y, close=1e-11, exact=True)).endswith("(rounded to float32))")


@pytest.mark.parametrize("shared", ["one after the other", "apart"])
def test_attention_tells_a_mask_and_how_queries_share_keys(shared):
    q, keep = RNG.normal(size=(2, 4, 5, 3)), RNG.random((2, 1, 1, 5)) < 0.7
    k, v = RNG.normal(size=(2, 2, 2, 5, 3))
    keep[..., 0], keep[..., 2] = True, False
    wide = [np.repeat(x, 2, 1) if shared[0] == "o" else np.concatenate([x, x], 1) for x in (k, v)]
    y = attention.mixed(q, *wide, 3**-0.5, keep, -1)
    words = "2 queries after one another share a key" if shared[0] == "o" else "queries 2 apart share a key"
    for mask in (keep, np.where(keep, 0.0, -1e30), keep[:, 0, 0]):
        assert told("attention", y, q, k, v, mask) == f"those that the mask keeps, scale 0.577350269189626, {words}"
