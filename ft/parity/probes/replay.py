"""Layers in plain NumPy, in N, C, H, W: what a probe computes a hypothesis with. Slow, and clear in what it does."""

from collections.abc import Callable
from itertools import product

import numpy as np

Pads = tuple[int, int, int, int]  # top, bottom, left, right


def conv2d(x: np.ndarray, weight: np.ndarray, *, stride: tuple[int, int], pads: Pads, groups: int = 1) -> np.ndarray:
    """Return the convolution without bias: x (N, C, H, W), weight (O, C / groups, h, w)."""
    outputs = len(weight) // groups
    patches = windows(padded(x, pads, 0.0), weight.shape[2:], stride)  # N, C, H', W', h, w
    parts = np.split(patches, groups, axis=1)
    kernels = [weight[i * outputs : (i + 1) * outputs] for i in range(groups)]
    results = [np.tensordot(part, kernel, ((1, 4, 5), (1, 2, 3))) for part, kernel in zip(parts, kernels, strict=True)]
    return np.moveaxis(np.concatenate(results, axis=-1), -1, 1)


def pool2d(
    x: np.ndarray,
    reduce: Callable[..., np.ndarray],
    *,
    window: tuple[int, int],
    stride: tuple[int, int],
    pads: Pads,
    fill: float,
) -> np.ndarray:
    """Return `reduce` (np.max, np.mean) over every window of x (N, C, H, W), padded with `fill`."""
    return reduce(windows(padded(x, pads, fill), window, stride), axis=(4, 5))


def padded(x: np.ndarray, pads: Pads, fill: float) -> np.ndarray:
    """Return x (N, C, H, W) with rows and columns of `fill` around; negative pads cut."""
    top, bottom, left, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill) if any(pads) else x


def cut_frame(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return x (N, C, H, W) cut to the height and width of `shape`, where all that is cut off is zero; else x itself.

    So a padding layer of its own counts as padding of the layer behind it.
    """
    if x.ndim != 4 or len(shape) != 4:
        return x
    spare = [max(x.shape[axis] - shape[axis], 0) for axis in (2, 3)]
    offsets = product(*(sorted(range(n + 1), key=lambda i, n=n: abs(2 * i - n)) for n in spare))
    for top, left in offsets if any(spare) else ():
        inner = x[:, :, top : x.shape[2] - spare[0] + top, left : x.shape[3] - spare[1] + left]
        if np.count_nonzero(inner) == np.count_nonzero(x):
            return inner
    return x


def windows(x: np.ndarray, window: tuple[int, ...], stride: tuple[int, int]) -> np.ndarray:
    """Return a view (N, C, H', W', h, w) of every window of x (N, C, H, W)."""
    view = np.lib.stride_tricks.sliding_window_view(x, window[-2:], axis=(2, 3))  # type: ignore[call-overload]
    return view[:, :, :: stride[0], :: stride[1]]


def paddings(side: int, window: int, output: int) -> dict[str, tuple[int, int, int]]:
    """Return, by name, every (stride, pad before, pad after) that gives `output` from `side`.

    "alike" pads the same on both sides, as PyTorch does; "more at the end" is TensorFlow's "same".
    """
    places: dict[str, tuple[int, int, int]] = {}
    for stride, before in product(range(1, window + 4), range(window)):
        same = max((output - 1) * stride + window - side, 0)
        if (side + 2 * before - window) // stride + 1 == output:
            places.setdefault(f"stride {stride}, {before} alike on both sides", (stride, before, before))
        if -(-side // stride) == output and same % 2:
            places.setdefault(
                f"stride {stride}, {same // 2} before and {same - same // 2} after",
                (stride, same // 2, same - same // 2),
            )
    return places


def batchnorm(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float
) -> np.ndarray:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias for x (N, C, H, W) and vectors (C,)."""
    mean, variance, weight, bias = (v.reshape(1, -1, 1, 1) for v in (mean, variance, weight, bias))
    return (x - mean) / np.sqrt(variance + eps) * weight + bias


def layernorm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """Return normalisation over the last axis of x (..., C)."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * weight + bias


def share(before: np.ndarray, target: np.ndarray, after: np.ndarray) -> float:
    """Return the m of after = before + m * (target - before) by least squares: a moving average's share of the new."""
    step = (target - before).astype(np.float64).ravel()
    return float(step @ (after - before).astype(np.float64).ravel() / max(step @ step, np.finfo(float).tiny))
