"""A strided convolution or pooling: PyTorch pads alike on both sides, TensorFlow's "same" more at the end."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, Layer, Side, distance
from ft.parity.probes.replay import conv2d, cut_frame, paddings, pool2d


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Try every padding that gives the shape of a layer's output, and see which one each side has."""
    for kind in ("conv", "maxpool"):
        for layer in evidence.layers(kind):
            sides = without_frames(layer)
            one, other = (used_padding(evidence, layer, side) for side in sides)
            if one and other and pads_in(one) != pads_in(other) and comparable(one, other, sides):
                detail = f"{evidence.a.label}: {one}; {evidence.b.label}: {other}"
                error = distance(layer.a.output, layer.b.output)
                yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


def pads_in(used: str) -> str:
    """Return a padding in words without its stride, which is another difference."""
    return re.sub(r"stride \d+, ", "", used)


def comparable(one: str, other: str, sides: tuple[Side, Side]) -> bool:
    """Tell whether paddings are of maps of one size: a stride that has moved leaves other maps to be padded."""
    strides = [re.findall(r"stride \d+", used) for used in (one, other)]
    return strides[0] == strides[1] or sides[0].inputs[0].shape[2:] == sides[1].inputs[0].shape[2:]


def without_frames(layer: Layer) -> tuple[Side, Side]:
    """Return both sides with inputs of one size, where one has a layer before it that pads: that counts as this one."""
    a, b = layer.sides
    if not (a.inputs and b.inputs):
        return a, b
    cut = cut_frame(a.inputs[0], b.inputs[0].shape), cut_frame(b.inputs[0], a.inputs[0].shape)
    return replace(a, inputs=(cut[0], *a.inputs[1:])), replace(b, inputs=(cut[1], *b.inputs[1:]))


def used_padding(evidence: Evidence, layer: Layer, side: Side) -> str | None:
    """Return the padding, in words, that gives a side's output of its first image."""
    y = side.output[:1]
    return next((name for name, compute in padded_layers(layer, side).items() if evidence.same(compute(side), y)), None)


def padded_layers(layer: Layer, side: Side) -> dict[str, Callable[[Side], np.ndarray]]:
    """Return, by the padding in words, functions that give a side's output of its first image with that padding."""
    window = window_of(layer, side)
    if window is None or len(window) != 2 or not side.inputs or side.inputs[0].ndim != 4:
        return {}
    shapes = zip(side.inputs[0].shape[2:], window, side.output.shape[2:], strict=True)
    rows, columns = (paddings(*sizes).items() for sizes in shapes)
    # "same" pads an even height in another way than an odd width, so any two go together that have one stride
    pairs = [(r, c) for r in rows for c in columns if r[1][0] == c[1][0]]
    pairs.sort(key=lambda pair: pair[0][0] != pair[1][0])
    return {
        r if r == c else f"{r} in height, {c} in width": partial(
            layer_with, window=window, rows=in_rows, columns=in_columns
        )
        for (r, in_rows), (c, in_columns) in pairs
    }


def window_of(layer: Layer, side: Side) -> tuple[int, int] | None:
    """Return the height and width of a layer's window."""
    if "weight" in side.weights:
        return side.weights["weight"].shape[2:]
    size = next((s.call.settings.get("kernel_size") for s in layer.sides), None)
    return None if size is None else (size, size) if isinstance(size, int) else tuple(size)


def layer_with(
    side: Side, *, window: tuple[int, int], rows: tuple[int, int, int], columns: tuple[int, int, int]
) -> np.ndarray:
    """Return what a convolution or max pooling gives of its first image; rows, columns: stride, pad before, after."""
    x, stride, pads = side.inputs[0][:1], (rows[0], columns[0]), (*rows[1:], *columns[1:])
    sides = zip(x.shape[2:], (rows, columns), window[-2:], strict=False)
    if x.ndim != len(window[-2:]) + 2 or any(n + sum(ways[1:]) < w for n, ways, w in sides):
        return np.full(1, np.nan)  # what one side takes may be smaller, or no map
    if "weight" not in side.weights:
        return pool2d(x, np.max, window=window, stride=stride, pads=pads, fill=-np.inf)
    weight = side.weights["weight"]
    y = conv2d(x, weight, stride=stride, pads=pads, groups=x.shape[1] // weight.shape[1])
    return y + side.weights["bias"].reshape(1, -1, 1, 1) if "bias" in side.weights else y


ENTRY = Entry(
    name="padding",
    title='Strided convolutions and poolings: what "same" padding means',
    torch="pads alike on both sides, by the number that the layer is given",
    tf='"same" pads as much as the output needs, and the odd row and column go to the end',
    why="TensorFlow fixes the output's size, ceil(size / stride), PyTorch the amount of padding",
    shows="the first strided layer differs by as much as its values; accuracy drops a little",
    mend_torch="pad by hand, F.pad(x, (0, 1, 0, 1)), then a layer with padding=0, as ft_torch.layers.Conv2dSame does",
    mend_tf='keras.layers.ZeroPadding2D(1), then a layer with padding="valid"; or tf.nn.conv2d with explicit pads',
    probe=probe,
)
