"""Windows that move over a map: convolutions and poolings with their pads and strides, and padding by itself."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ft.parity.families.same import number, same

SAMPLES, CHANNELS = 1, 2  # what of a convolution is computed
MODES = {"zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "the edge": "edge", "wrapped": "wrap"}


def fit_convolution(case: Any) -> str | None:
    """Return pads, stride and dilation of the convolution that gives the output, (N, C, ...)."""
    weight = case.parameters.get("weight")
    if weight is None or len(case.inputs) != 1 or weight.ndim != case.inputs[0].ndim or weight.ndim < 3:
        return None
    x, y = case.inputs[0][:SAMPLES], case.output[:SAMPLES]
    if y.ndim != x.ndim or y.shape[1] != weight.shape[0] or x.shape[1] % weight.shape[1]:
        return None
    bias = case.parameters.get("bias")
    for dilation, stride, before, after in settings(x.shape[2], y.shape[2], weight.shape[2]):
        made = convolved(x, weight, dilation, stride, before, after)
        if made.shape[2:] != y.shape[2:]:
            continue
        for words, constant in (("", bias), (", no bias", None)) if bias is not None else (("", None),):
            shift = 0 if constant is None else constant[:CHANNELS].reshape(1, -1, *(1,) * (x.ndim - 2))
            if same(made + shift, y[:, :CHANNELS], case.close):
                return in_words(before, after, stride, dilation) + words
    return None


def fit_transposed(case: Any) -> str | None:
    """Return stride and crop of the transposed convolution that gives the output, (N, C, ...)."""
    weight = case.parameters.get("weight")
    if weight is None or len(case.inputs) != 1 or weight.ndim != case.inputs[0].ndim or weight.ndim < 3:
        return None
    x, y = case.inputs[0][:SAMPLES], case.output[:SAMPLES]
    if y.ndim != x.ndim or x.shape[1] != weight.shape[0] or y.shape[1] != weight.shape[1]:
        return None
    kernel = np.flip(weight, tuple(range(2, weight.ndim))).swapaxes(0, 1)
    bias = case.parameters.get("bias", np.zeros(y.shape[1]))[:CHANNELS].reshape(1, -1, *(1,) * (x.ndim - 2))
    y = y[:, :CHANNELS] - bias
    for dilation, stride in product((1, 2), (1, 2, 3, 4)):
        width = (weight.shape[2] - 1) * dilation + 1
        whole = convolved(spaced(x, stride), kernel, dilation, 1, width - 1, width - 1)
        more = max(y.shape[2] - whole.shape[2], 0) + width
        whole = np.pad(whole, [(0, 0), (0, 0), *[(0, more)] * (x.ndim - 2)])
        for before in range(width):
            made = whole[(slice(None), slice(None), *(slice(before, before + side) for side in y.shape[2:]))]
            if same(made, y, case.close):
                after = whole.shape[2] - more - before - y.shape[2]
                ends = f"{after} after" if after >= 0 else f"widened by {-after} after"
                return f"transposed, stride {stride}, cropped by {before} before and {ends}" + (
                    f", dilation {dilation}" if dilation > 1 else ""
                )
    return None


def spaced(x: np.ndarray, stride: int) -> np.ndarray:
    """Return maps with zeros between their pixels."""
    wide = np.zeros((*x.shape[:2], *((side - 1) * stride + 1 for side in x.shape[2:])))
    wide[(slice(None), slice(None), *(slice(None, None, stride),) * (x.ndim - 2))] = x
    return wide


def settings(side: int, out: int, kernel: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield dilation, stride and pads that make an output of this side."""
    for dilation in (1, 2, 3) if kernel > 1 else (1,):
        width = (kernel - 1) * dilation + 1
        for stride, before, after in product((1, 2, 3, 4), range(width), range(width)):
            whole = side + before + after - width
            if whole >= 0 and whole // stride + 1 == out:
                yield dilation, stride, before, after


def convolved(x: np.ndarray, weight: np.ndarray, dilation: int, stride: int, before: int, after: int) -> np.ndarray:
    """Return the first channels of a convolution of maps (N, C, ...), in any rank."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *[(before, after)] * rank])
    kernel = weight[:CHANNELS]
    width = [(k - 1) * dilation + 1 for k in kernel.shape[2:]]
    if any(side < w for side, w in zip(x.shape[2:], width, strict=True)):
        return np.zeros((0,) * x.ndim)
    groups, size = x.shape[1] // weight.shape[1], weight.shape[1]
    windows = sliding_window_view(x, width, axis=tuple(range(2, x.ndim)))
    windows = windows[
        (slice(None), slice(None), *(slice(None, None, stride),) * rank, *(slice(None, None, dilation),) * rank)
    ]
    share = weight.shape[0] // groups
    outs = []
    for channel in range(len(kernel)):
        first = channel // share * size
        part = windows[:, first : first + size]
        axes = (1, *range(2 + rank, 2 + 2 * rank))
        outs.append(np.tensordot(part, kernel[channel], axes=(axes, tuple(range(kernel.ndim - 1)))))
    return np.stack(outs, 1)


def in_words(before: int, after: int, stride: int, dilation: int = 1) -> str:
    """Return the settings of a window in words."""
    pads = f"{before} before and {after} after" if before != after else f"{before} on each side"
    return f"padded by {pads}, stride {stride}" + (f", dilation {dilation}" if dilation > 1 else "")


def fit_pooling(case: Any) -> str | None:
    """Return kind, window, pads and stride of the pooling that gives the output, (N, C, ...)."""
    if case.parameters or len(case.inputs) != 1 or case.output.ndim != case.inputs[0].ndim or case.output.ndim < 3:
        return None
    x, y = case.inputs[0][:SAMPLES, :CHANNELS], case.output[:SAMPLES, :CHANNELS]
    if y.shape[1] != x.shape[1] or y.shape[2] > x.shape[2]:
        return None
    for kernel in range(2, min(x.shape[2], 7) + 1):
        for _, stride, before, after in pool_settings(x.shape[2], y.shape[2], kernel):
            for name, made in pooled(x, kernel, stride, before, after):
                if same(made, y, case.close):
                    return f"{name} of {kernel}, {in_words(before, after, stride)}"
    return None


def pool_settings(side: int, out: int, kernel: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield strides and pads that make an output of this side, those with the smallest pads first."""
    choices = [
        (1, stride, before, after)
        for stride, before, after in product(range(1, kernel + 2), range(kernel), range(kernel + 1))
        if side + before + after >= kernel and (side + before + after - kernel) // stride + 1 == out
    ]
    yield from sorted(choices, key=lambda setting: setting[2] + setting[3])


def pooled(x: np.ndarray, kernel: int, stride: int, before: int, after: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every kind of pooling."""
    rank = x.ndim - 2
    pads = [(0, 0), (0, 0), *[(before, after)] * rank]
    axes, last = tuple(range(2, x.ndim)), tuple(range(-rank, 0))
    steps = (slice(None), slice(None), *(slice(None, None, stride),) * rank)

    def windows(array: np.ndarray, fill: float) -> np.ndarray:
        return sliding_window_view(np.pad(array, pads, constant_values=fill), (kernel,) * rank, axis=axes)[steps]

    if min(x.shape[2:]) + before + after < kernel:
        return
    yield "maximum", windows(x, -np.inf).max(last)
    if before or after:
        yield "maximum with zeros around", windows(x, 0.0).max(last)
    total = windows(x, 0.0).sum(last)
    yield "mean", total / np.maximum(windows(np.ones_like(x), 0.0).sum(last), 1)
    if before or after:
        yield "mean, pads counted,", total / kernel**rank
    yield "sum", total


def fit_padding(case: Any) -> str | None:
    """Return by how much and with what a map was padded."""
    if case.parameters or len(case.inputs) != 1 or case.output.ndim != case.inputs[0].ndim or case.output.ndim < 3:
        return None
    x, y = case.inputs[0], case.output
    grown = [i for i in range(x.ndim) if y.shape[i] != x.shape[i]]
    if not grown or any(y.shape[i] < x.shape[i] for i in grown):
        return None
    for before in range(y.shape[grown[0]] - x.shape[grown[0]] + 1):
        pads = [(0, 0)] * x.ndim
        for axis in grown:
            pads[axis] = (before, y.shape[axis] - x.shape[axis] - before)
        if any(pad < 0 for pair in pads for pad in pair):
            continue
        for name, mode in MODES.items():
            try:
                made = np.pad(x, pads, mode=mode)  # type: ignore[call-overload]
            except ValueError:
                continue
            if same(made, y, case.close):
                return f"{name}, {before} before"
        corner = float(y[(0,) * y.ndim])
        if same(np.pad(x, pads, constant_values=corner), y, case.close):
            return f"{number(corner)}, {before} before"
    return None
