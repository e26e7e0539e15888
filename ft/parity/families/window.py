"""Windows that move over a map: convolutions and poolings with their pads and strides, and padding by itself.

Each axis of a map has settings of its own; those that all axes share are tried first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from ft.parity.families.same import number, same

SAMPLES, CHANNELS = 1, 2  # what of a convolution is computed
MODES = {"zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "the edge": "edge", "wrapped": "wrap"}
AXES = {1: ("",), 2: (" in height", " in width"), 3: (" in depth", " in height", " in width")}
STEPS = (1, 2, 3, 4)  # of a window, with others that its size suggests
MOST = 1000  # windows that differ along the axes, tried

Places = Sequence[np.ndarray]  # the positions of an output, by axis


class Along(NamedTuple):
    """How a window moves along one axis: its elements, pads, steps, and how far apart the elements are.

    spacing: the stride of a transposed convolution, whose window moves by 1 over an input that is spaced out.
    """

    kernel: int
    before: int
    after: int
    stride: int
    dilation: int = 1
    spacing: int = 1

    @property
    def plain(self) -> bool:
        """Whether it is as layers are by themselves: not padded, by half of its reach, or by all of it."""
        reach = (self.kernel - 1) * self.dilation
        halves = (reach // 2, reach - reach // 2), (max(reach - 1, 0) // 2, reach // 2)
        return (self.before, self.after) in ((0, 0), (reach, 0), (reach, reach), (reach, reach + 1), *halves)

    @property
    def words(self) -> str:
        return f"padded by {self.pads}, stride {self.stride}" + self.dilated

    @property
    def pads(self) -> str:
        return (
            f"{self.before} before and {self.after} after"
            if self.before != self.after
            else f"{self.before} on each side"
        )

    @property
    def dilated(self) -> str:
        return f", dilation {self.dilation}" if self.dilation > 1 else ""

    @property
    def pooling(self) -> str:
        """The words for a pooling, whose window is one of its settings."""
        return f"{self.kernel}, {self.words}"

    @property
    def transposed(self) -> str:
        """The words for a transposed convolution, which crops where it is padded by less than its window."""
        reach = (self.kernel - 1) * self.dilation
        before, after = reach - self.before, reach - self.after
        ends = f"{after} after" if after >= 0 else f"widened by {-after} after"
        return f"stride {self.spacing}, cropped by {before} before and {ends}{self.dilated}"


def fit_convolution(case: Any) -> str | None:
    """Return pads, stride and dilation of the convolution that gives the output, (N, C, ...)."""
    weight = case.parameters.get("weight")
    if weight is None or len(case.inputs) != 1 or weight.ndim != case.inputs[0].ndim or weight.ndim < 3:
        return None
    x, y = case.inputs[0][:SAMPLES], case.output[:SAMPLES]
    if y.ndim != x.ndim or y.shape[1] != weight.shape[0] or x.shape[1] % weight.shape[1]:
        return None
    bias = case.parameters.get("bias")
    sides = zip(x.shape[2:], y.shape[2:], weight.shape[2:], strict=True)
    ways = [list(moves(*sizes)) for sizes in sides]
    for told, window in windows(ways, lambda along: along.words):
        for words, shift in (("", bias), (", no bias", None)) if bias is not None else (("", None),):
            if fits(partial(convolved, x, weight, shift, window), y[:, :CHANNELS], case.close):
                return told + words
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
    sides = zip(x.shape[2:], y.shape[2:], weight.shape[2:], strict=True)
    ways = [list(moves_transposed(*sizes)) for sizes in sides]
    bias = case.parameters.get("bias")
    for told, window in windows(ways, lambda along: along.transposed):
        if fits(partial(convolved, x, kernel, bias, window), y[:, :CHANNELS], case.close):
            return f"transposed, {told}"
    return None


def fit_pooling(case: Any) -> str | None:
    """Return kind, window, pads and stride of the pooling that gives the output, (N, C, ...)."""
    if case.parameters or len(case.inputs) != 1 or case.output.ndim != case.inputs[0].ndim or case.output.ndim < 3:
        return None
    x, y = case.inputs[0][:SAMPLES, :CHANNELS], case.output[:SAMPLES, :CHANNELS]
    if y.shape[1] != x.shape[1] or any(out > side for out, side in zip(y.shape[2:], x.shape[2:], strict=True)):
        return None
    ways = [list(pooling_moves(*sizes)) for sizes in zip(x.shape[2:], y.shape[2:], strict=True)]
    for told, window in windows(ways, lambda along: along.pooling):
        if all(along.kernel == 1 for along in window):
            continue
        padded = any(along.before or along.after for along in window)
        for name in POOLINGS if padded else UNPADDED:
            if fits(partial(pooled, name, x, window), y, case.close):
                return f"{name} of {told}"
    return None


def windows(ways: Sequence[list[Along]], words: Callable[[Along], str]) -> Iterator[tuple[str, tuple[Along, ...]]]:
    """Yield windows in words: those alike along all axes, then those whose every axis is padded as layers pad.

    ways: what may be along each axis; words: of one of them.
    """
    named = [{words(along): along for along in own} for own in ways]
    for told in named[0]:
        if all(told in own for own in named):
            yield told, tuple(own[told] for own in named)
    plain = [[told for told, along in own.items() if along.plain] for own in named]
    for tolds in islice(product(*plain), MOST):
        window = tuple(own[told] for own, told in zip(named, tolds, strict=True))
        if len(set(tolds)) > 1 and len({along.dilation for along in window}) == 1:
            places = AXES.get(len(tolds), [f" in axis {axis}" for axis in range(len(tolds))])
            yield " and ".join(map("".join, zip(tolds, places, strict=True))), window


def moves(side: int, out: int, kernel: int) -> Iterator[Along]:
    """Yield the ways of a convolution's kernel along an axis that give an output of this side, pads alike first."""
    for dilation in (1, 2, 3) if kernel > 1 else (1,):
        width = (kernel - 1) * dilation + 1
        choices = product(strides(side, out, kernel), range(width), range(width))
        for stride, before, after in sorted(choices, key=lambda choice: choice[1] != choice[2]):
            whole = side + before + after - width
            if whole >= 0 and whole // stride + 1 == out:
                yield Along(kernel, before, after, stride, dilation)


def moves_transposed(side: int, out: int, kernel: int) -> Iterator[Along]:
    """Yield the same of a transposed one: the input spaced out, a kernel that moves by 1 over it."""
    for dilation, spacing in product((1, 2) if kernel > 1 else (1,), strides(out, side, kernel)):
        width = (kernel - 1) * dilation + 1
        for before in reversed(range(width)):
            after = out + width - 2 - (side - 1) * spacing - before
            if after >= 0:
                yield Along(kernel, before, after, 1, dilation, spacing)


def pooling_moves(side: int, out: int) -> Iterator[Along]:
    """Yield the ways of a pooling along an axis, small windows and small pads first."""
    for kernel in sorted({*range(1, min(side, 7) + 1), -(-side // out), side // out}):
        choices = [
            Along(kernel, before, after, stride)
            for stride, before, after in product(
                {*range(1, min(kernel, 7) + 2), kernel}, range(kernel), range(kernel + 1)
            )
            if side + before + after >= kernel and (side + before + after - kernel) // stride + 1 == out
        ]
        yield from sorted(choices, key=lambda along: along.before + along.after)


def strides(longer: int, shorter: int, kernel: int) -> list[int]:
    """Return the steps to try: small ones, the kernel's size, and what one side is of the other."""
    return sorted({*STEPS, kernel, max(round(longer / shorter), 1)})


def fits(compute: Callable[[Places], np.ndarray], y: np.ndarray, close: float) -> bool:
    """Tell whether a function gives maps (N, C, ...): at some places first, which is quick, then at all."""
    some = [np.unique([0, side // 2, side - 1]) for side in y.shape[2:]]
    part = y[np.ix_(*map(np.arange, y.shape[:2]), *some)]
    every = [np.arange(side) for side in y.shape[2:]]
    near = np.allclose(compute(some), part, rtol=0, atol=max(close * np.abs(y).max(initial=0), 0))
    return near and same(compute(every), y, close)


def seen(x: np.ndarray, window: Sequence[Along], places: Places, fill: float = 0.0) -> np.ndarray:
    """Return what a window sees of maps (N, C, ...) at places: (N, C, places by axis, elements by axis)."""
    rank = len(window)
    x = np.pad(x, [(0, 0), (0, 0), *((along.before, along.after) for along in window)], constant_values=fill)
    index = []
    for axis, (along, own) in enumerate(zip(window, places, strict=True)):
        elements = own[:, None] * along.stride + np.arange(along.kernel) * along.dilation
        shape = [1] * 2 * rank
        shape[axis], shape[rank + axis] = elements.shape
        index.append(elements.reshape(shape))
    return x[(slice(None), slice(None), *index)]


def convolved(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, window: Sequence[Along], places: Places
) -> np.ndarray:
    """Return the first channels of a convolution of maps (N, C, ...) at places, in any rank."""
    rank = x.ndim - 2
    size, share = weight.shape[1], weight.shape[0] // (x.shape[1] // weight.shape[1])
    x = spaced(x, [along.spacing for along in window])
    axes = (1, *range(2 + rank, 2 + 2 * rank))
    outs = []
    for channel in range(min(CHANNELS, len(weight))):
        first = channel // share * size
        part = seen(x[:, first : first + size], window, places)
        outs.append(np.tensordot(part, weight[channel], axes=(axes, tuple(range(weight.ndim - 1)))))
        outs[-1] += 0 if bias is None else bias[channel]
    return np.stack(outs, 1)


def spaced(x: np.ndarray, by: Sequence[int]) -> np.ndarray:
    """Return maps with zeros between their pixels."""
    if all(step == 1 for step in by):
        return x
    sides = [(side - 1) * step + 1 for side, step in zip(x.shape[2:], by, strict=True)]
    wide = np.zeros((*x.shape[:2], *sides), x.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, step) for step in by))] = x
    return wide


POOLINGS = ("maximum", "maximum with zeros around", "mean", "mean, pads counted,", "sum")
UNPADDED = ("maximum", "mean", "sum")  # those that differ without pads


def pooled(name: str, x: np.ndarray, window: Sequence[Along], places: Places) -> np.ndarray:
    """Return a pooling of maps (N, C, ...) at places."""
    last = tuple(range(-len(window), 0))
    if name.startswith("maximum"):
        return seen(x, window, places, -np.inf if name == "maximum" else 0.0).max(last)
    total = seen(x, window, places).sum(last)
    if name == "mean":
        return total / np.maximum(seen(np.ones_like(x), window, places).sum(last), 1)
    return total if name == "sum" else total / np.prod([along.kernel for along in window])


def fit_padding(case: Any) -> str | None:
    """Return by how much and with what a map was padded."""
    if case.parameters or len(case.inputs) != 1 or case.output.ndim != case.inputs[0].ndim or case.output.ndim < 3:
        return None
    x, y = case.inputs[0], case.output
    more = [out - side for side, out in zip(x.shape, y.shape, strict=True)]
    grown = [axis for axis, by in enumerate(more) if by]
    if not grown or min(more) < 0:
        return None
    for befores in sorted(product(*(range(more[axis] + 1) for axis in grown)), key=lambda own: len(set(own))):
        pads = [(0, 0)] * x.ndim
        for axis, before in zip(grown, befores, strict=True):
            pads[axis] = (before, more[axis] - before)
        inside = y[tuple(slice(before, before + side) for (before, _), side in zip(pads, x.shape, strict=True))]
        if not same(inside, x, case.close):
            continue
        told = ", ".join(map(str, befores if len(set(befores)) > 1 else befores[:1]))
        for name, made in padded(x, y, pads):
            if same(made, y, case.close):
                return f"{name}, {told} before"
    return None


def padded(x: np.ndarray, y: np.ndarray, pads: Sequence[tuple[int, int]]) -> Iterable[tuple[str, np.ndarray]]:
    """Yield a map padded in every mode that can pad it; the constant is that in a corner of y."""
    for name, mode in MODES.items():
        try:
            yield name, np.pad(x, pads, mode=mode)  # type: ignore[call-overload]
        except ValueError:
            continue
    corner = float(y[(0,) * y.ndim])
    yield number(corner), np.pad(x, pads, constant_values=corner)
