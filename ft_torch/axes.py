"""Which axes a tensor has in PyTorch: followed through the functions of a model, by what each of them does.

Where nothing says it, as behind a `view` that makes another shape, PyTorch's own convention holds: a map is
(N, C, H, W), a sequence (N, T, C); `F.linear`, `F.layer_norm` and attention have their channels last in either.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ft.backend.calls import map_axes

SIDES = (2, 3, 5, 7, 11, 13, 17, 19)
FIRST = ("conv", "max_pool", "avg_pool", "adaptive_", "batch_norm", "instance_norm", "group_norm")  # how names begin
LAST = ("linear", "layer_norm", "rms_norm", "embedding", "multi_head_attention_forward")
MOVING = ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "adjoint", "rot90")
TURNED = tuple(getattr(Tensor, name).__get__ for name in ("T", "mT", "H", "mH"))
RESHAPING = ("view", "reshape", "view_as", "reshape_as", "flatten", "unflatten")
# the order of what these give does not follow from the order of what they take
MIXING = ("einsum", "tensordot", "matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "as_strided", "fold")


class Axes:
    """The axes of tensors, as far as they are known."""

    def __init__(self) -> None:
        self.known: Any = WeakTensorKeyDictionary()

    def of(self, tensor: Tensor) -> str:
        """Return the axes of a tensor, "" where nothing says them."""
        return self.known.get(tensor, "")

    def say(self, tensor: Tensor, axes: str) -> None:
        """Note the axes of a tensor; "" forgets them."""
        if axes:
            self.known[tensor] = axes
        else:
            self.known.pop(tensor, None)

    def follow(self, func: Any, args: Any, kwargs: Mapping[str, Any], output: Any, *, inside: str = "") -> None:
        """Note the axes of what a function gave. inside: those of any tensor of that rank in the layer that called."""
        tensors = [*tensors_in(args), *tensors_in(kwargs.values())]
        for given in tensors_in([output]):
            axes = self.after(func, args, kwargs, tensors, given)
            self.say(given, inside if not axes and len(inside) == given.ndim else axes)

    def after(self, func: Any, args: Any, kwargs: Mapping[str, Any], tensors: list[Tensor], output: Tensor) -> str:
        """Return the axes of one tensor that a function gave."""
        name, rank = getattr(func, "__name__", ""), output.ndim
        if name.startswith(FIRST):
            return map_axes(rank, first=True)
        if name.removesuffix("_") in MOVING or func in TURNED:
            return moved(func, args, kwargs, self.of(tensors[0]))
        if name in MIXING or (name in RESHAPING and output.shape not in [x.shape for x in tensors[:1]]):
            return ""
        kept = next((axes for axes in map(self.of, tensors) if len(axes) == rank), "")
        return kept or (map_axes(rank, first=False) if name in LAST else "")


def moved(func: Any, args: Any, kwargs: Mapping[str, Any], axes: str) -> str:
    """Return the axes behind a function that moves them, seen on a tensor of no memory whose sides all differ."""
    if not axes or not args:
        return ""
    sides = SIDES[: len(axes)]
    shape = func(torch.empty(sides, device="meta"), *args[1:], **kwargs).shape
    return "".join(axes[sides.index(side)] for side in shape)


def usual(rank: int) -> str:
    """Return the axes that PyTorch gives a tensor of some rank where nothing says them."""
    return map_axes(rank, first=rank != 3)


def tensors_in(arguments: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors among positional arguments, those in a list included."""
    for argument in arguments:
        if isinstance(argument, Tensor) and argument.is_floating_point():
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from tensors_in(argument)
