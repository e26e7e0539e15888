"""The shapes at the ends of each stage of a PyTorch model, found on the meta device: no values, no memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from ft.network.surgery import Misfit, too_small, unequal_maps, unequal_sum
from ft.zoo.card import Card, under


def stage_shapes(
    model: nn.Module, card: Card, *, image_size: int, channels: int
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return what each stage takes and what it gives, for one image, in canonical order: (C, H, W), (T, C) or (F,).

    Nothing is computed. RecipeError where the shapes of two layers do not fit each other.
    """
    ends: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    with watching(model, card, ends) as running:
        try:
            with Merges(last=card.channels_last):
                run_without_numbers(model, image_size=image_size, channels=channels)
        except Unequal as error:
            raise Misfit(running[-1][0] if running else card.name, str(error)) from None
        except (RuntimeError, ValueError):
            if card.detector and ends.keys() >= set(card.base):  # boxes are decided by numbers, of which there are none
                return ends
            path, x = running[-1] if running else (card.name, None)
            if x is None or not hasattr(model.get_submodule(path), "kernel_size"):
                raise Misfit(path) from None
            raise Misfit(path, too_small(canonical(x, last=False))) from None
    return ends


class Unequal(Exception):
    """Raised out of a forward pass where tensors meet that do not have the shapes for it."""


class Merges(TorchFunctionMode):
    """Looks at the shapes wherever what was made of the images is added up or joined; PyTorch would broadcast a sum.

    What does not come from the images, such as a bias or a mask, has no gradient for them and may be broadcast.
    """

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        self.last = last  # where the channels of maps are

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("add", "add_", "__add__", "__iadd__", "__radd__"):
            self.require(unequal_sum, args[:2])
        if name in ("cat", "concat", "concatenate") and len(args[0][0].shape) == 4:
            self.require(unequal_maps, args[0])
        return func(*args, **(kwargs or {}))

    def require(self, why: Callable[[list[tuple[int, ...]]], str], tensors: Sequence[Any]) -> None:
        """Raise Unequal with what `why` says of the tensors that come from the images."""
        with torch._C.DisableTorchFunction():
            shapes = [canonical(x, last=self.last) for x in tensors if isinstance(x, Tensor) and x.requires_grad]
        if reason := why(shapes):
            raise Unequal(reason)


@contextmanager
def watching(model: nn.Module, card: Card, ends: dict) -> Iterator[list[tuple[str, Tensor]]]:
    """Note in `ends` the shapes at the ends of each stage; yield the modules that are running, and what they take."""
    running: list[tuple[str, Tensor]] = []
    turned = card.channels_last  # between the image, which the first stage turns, and the pooling
    stages = {name: stage for name, _ in model.named_modules() if (stage := stage_at(card, name))}

    def before(path: str, arguments: tuple) -> None:
        running.append((path, arguments[0]))
        if (stage := stages.get(path)) and stage not in ends and isinstance(arguments[0], Tensor):
            ends[stage] = (shape_of(arguments[0], last=turned and bool(ends) and stage != "head"), ())

    def after(path: str, output: Tensor) -> None:
        running.pop()
        if (stage := stages.get(path)) in ends and isinstance(output, Tensor):
            ends[stage] = (ends[stage][0], shape_of(output, last=turned and stage != "head"))

    handles = []
    for path, module in list(model.named_modules())[1:]:
        handles.append(module.register_forward_pre_hook(lambda module, x, path=path: before(path, x)))
        handles.append(module.register_forward_hook(lambda module, x, y, path=path: after(path, y)))
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()


def stage_at(card: Card, path: str) -> str | None:
    """Return the stage of a module, or None between stages."""
    return next((stage for stage, prefixes in card.stages.items() if under(path, prefixes)), None)


def shape_of(x: Tensor, *, last: bool) -> tuple[int, ...]:
    """Return the canonical shape of one sample, its channels being last or first; a pooled map's without its ones."""
    shape = canonical(x, last=last)
    return shape[:1] if shape[1:] == (1, 1) else shape


def canonical(x: Tensor, *, last: bool) -> tuple[int, ...]:
    """Return the shape of one sample, its channels first."""
    shape = tuple(x.shape[1:])
    return (shape[2], *shape[:2]) if last and len(shape) == 3 else shape


def run_without_numbers(model: nn.Module, *, image_size: int, channels: int) -> None:
    """Run one image through the network on the meta device, in inference mode: shapes and types, no values."""
    tensors = {name: x.detach().to("meta") for name, x in chain(model.named_parameters(), model.named_buffers())}
    dtype = next(model.parameters()).dtype
    images = torch.empty(1, channels, image_size, image_size, dtype=dtype, device="meta", requires_grad=True)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.enable_grad():  # so that it shows what is made of the images
            functional_call(model, tensors, (images,))
    finally:
        for module, training in modes.items():
            module.training = training
