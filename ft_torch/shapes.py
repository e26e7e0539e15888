"""The shapes at the ends of each stage of a PyTorch model, found on the meta device: no values, no memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ft.surgery import Misfit
from ft.zoo.card import Card, under


def stage_shapes(
    model: nn.Module, card: Card, *, image_size: int, channels: int
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return what each stage takes and what it gives, for one image, in canonical order: (C, H, W), (T, C) or (F,).

    Nothing is computed. RecipeError where the shapes of two layers do not fit each other.
    """
    found: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    with watching(model, card, found) as running:
        try:
            run_without_numbers(model, image_size=image_size, channels=channels)
        except (RuntimeError, ValueError) as error:
            raise Misfit(running[-1] if running else card.name, error) from None
    return found


@contextmanager
def watching(model: nn.Module, card: Card, found: dict) -> Iterator[list[str]]:
    """Note in `found` the shapes at the ends of each stage; yield the paths of the modules that are running."""
    running: list[str] = []
    turned = card.channels_last  # between the image, which the first stage turns, and the pooling
    stages = {name: stage for name, _ in model.named_modules() if (stage := stage_at(card, name))}

    def before(path: str, arguments: tuple) -> None:
        running.append(path)
        if (stage := stages.get(path)) and stage not in found:
            found[stage] = (shape_of(arguments[0], last=turned and bool(found) and stage != "head"), ())

    def after(path: str, output: Tensor) -> None:
        running.pop()
        if (stage := stages.get(path)) and isinstance(output, Tensor):
            found[stage] = (found[stage][0], shape_of(output, last=turned and stage != "head"))

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
    shape = tuple(x.shape[1:])
    if last and len(shape) == 3:
        shape = (shape[2], *shape[:2])
    return shape[:1] if shape[1:] == (1, 1) else shape


def run_without_numbers(model: nn.Module, *, image_size: int, channels: int) -> None:
    """Run one image through the network on the meta device, in inference mode: shapes and types, no values."""
    tensors = {name: x.to("meta") for name, x in chain(model.named_parameters(), model.named_buffers())}
    images = torch.empty(1, channels, image_size, image_size, dtype=next(model.parameters()).dtype, device="meta")
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            functional_call(model, tensors, (images,))
    finally:
        for module, training in modes.items():
            module.training = training
