"""The sides of every kink that a float32 run took, for its float64 run to take the same ones.

A ReLU whose input lies within rounding of 0 lets a gradient through in one run and not in the other. That moves early
gradients of a deep network by a hundredth and says nothing of anybody's arithmetic. So the float64 run gets float32's
input at those places, a rounding error away from its own, and what is left to measure is rounding.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    def shift(self, x: np.ndarray, kinks: Kinks) -> np.ndarray:
        """Return what to add to a call's input: nothing in float32, which is noted; in float64 what changes sides."""
        if x.dtype == np.float32:
            self.inputs.append(x.copy())
            return np.zeros_like(x)
        noted, (low, high) = self.inputs.popleft(), kinks
        other = ((noted > low) != (x > low)) | ((noted < high) != (x < high))
        return np.where(other, noted - x, 0)


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
            args = (x + torch.from_numpy(self.sides.shift(x.detach().numpy(), TORCH_KINKS[func])), *others)
        return func(*args, **(kwargs or {}))


@contextmanager
def same_sides(wing: str, sides: Sides) -> Iterator[None]:
    """Note the sides that a wing's float32 run takes, or make its float64 run, of the same calls, take them."""
    if wing == "torch":
        with TorchSides(sides):
            yield
        return

    def shifted(function: Callable[..., Any], kinks: Kinks) -> Callable[..., Any]:
        return lambda x, *rest, **named: function(x + sides.shift(x.numpy(), kinks), *rest, **named)

    with patch.multiple(tf.nn, **{name: shifted(getattr(tf.nn, name), kinks) for name, kinks in TF_KINKS.items()}):
        yield
