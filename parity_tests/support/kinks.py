"""The sides of every kink that a float32 run took, for its float64 run to take the same ones.

A ReLU whose input lies within rounding of 0 lets a gradient through in one run and not in the other, and a max pooling
whose two largest inputs do gives it to the one or to the other. That moves early gradients of a deep network by a
hundredth, a tenth in Inception, and says nothing of anybody's arithmetic. So the float64 run gets float32's input at
those places, a rounding error away from its own, and what is left to measure is rounding.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# function -> where its derivative jumps; Keras makes the hard sigmoid and swish of relu6
TORCH_KINKS = {
    functional.relu: (0.0, np.inf),
    functional.relu6: (0.0, 6.0),
    functional.hardtanh: (0.0, 6.0),  # what nn.ReLU6 calls
    functional.hardswish: (-3.0, 3.0),
    functional.hardsigmoid: (-3.0, 3.0),
}
TF_KINKS = {"relu": (0.0, np.inf), "relu6": (0.0, 6.0)}

Kinks = tuple[float, float]


class Sides:
    """What the kinked functions of one run were given, call by call."""

    def __init__(self) -> None:
        self.inputs: deque[np.ndarray] = deque()

    def shift(self, x: np.ndarray, changed: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Return what to add to a call's input: nothing in float32, which is noted; in float64 what changes sides.

        changed: where two inputs are on different sides.
        """
        if x.dtype == np.float32:
            self.inputs.append(x.copy())
            return np.zeros_like(x)
        noted = self.inputs.popleft()
        return np.where(changed(noted, x), noted - x, 0)


def crossed(a: np.ndarray, b: np.ndarray, *, kinks: Kinks) -> np.ndarray:
    """Return where one of two inputs is beyond a kink and the other is not."""
    low, high = kinks
    return ((a > low) != (b > low)) | ((a < high) != (b < high))


def outdone(a: np.ndarray, b: np.ndarray, **window: Any) -> np.ndarray:
    """Return the maxima of those windows that have theirs in another place in the other input: (N, C, H, W)."""
    inputs = (torch.from_numpy(x.astype(np.float64)) for x in (a, b))
    places = [functional.max_pool2d(x, **window, return_indices=True)[1].flatten(2) for x in inputs]
    other, marked = (places[0] != places[1]).byte(), torch.zeros(a.shape, dtype=torch.uint8).flatten(2)
    for place in places:
        marked.scatter_reduce_(2, place, other, "amax")
    return marked.reshape(a.shape).bool().numpy()


class TorchSides(TorchFunctionMode):
    """Puts the shifts into PyTorch's calls."""

    def __init__(self, sides: Sides) -> None:
        super().__init__()
        self.sides = sides

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in TORCH_KINKS:
            x, *others = args
            args = (self.shifted(x, partial(crossed, kinks=TORCH_KINKS[func])), *others)
        if func is functional.max_pool2d:
            x, size = args
            window = {"kernel_size": size, **{k: v for k, v in (kwargs or {}).items() if k != "return_indices"}}
            args = (self.shifted(x, partial(outdone, **window)), size)
        return func(*args, **(kwargs or {}))

    def shifted(self, x: torch.Tensor, changed: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> torch.Tensor:
        """Return an input with its shift."""
        return x + torch.from_numpy(self.sides.shift(x.detach().numpy(), changed))


@contextmanager
def same_sides(wing: str, sides: Sides) -> Iterator[None]:
    """Note the sides that a wing's float32 run takes, or make its float64 run, of the same calls, take them."""
    if wing == "torch":
        with TorchSides(sides):
            yield
        return

    def shifted(function: Callable[..., Any], kinks: Kinks) -> Callable[..., Any]:
        changed = partial(crossed, kinks=kinks)
        return lambda x, *rest, **named: function(x + sides.shift(x.numpy(), changed), *rest, **named)

    pool = tf.nn.max_pool2d

    def shifted_pool(x: tf.Tensor, size: int, stride: int, padding: str | list[list[int]]) -> tf.Tensor:
        window = {"kernel_size": size, "stride": stride, "padding": 0 if padding == "VALID" else padding[1][0]}
        shift = sides.shift(x.numpy().transpose(0, 3, 1, 2), partial(outdone, **window))
        return pool(x + shift.transpose(0, 2, 3, 1), size, stride, padding)

    patches = {name: shifted(getattr(tf.nn, name), kinks) for name, kinks in TF_KINKS.items()}
    with patch.multiple(tf.nn, max_pool2d=shifted_pool, **patches):
        yield
