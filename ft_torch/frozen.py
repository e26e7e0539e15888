"""The fast path for a frozen base: its features are computed once, then only the head is trained."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ft.zoo import Card

Call = Callable[[Tensor], Tensor]


def split(model: nn.Module, card: Card) -> tuple[Call, nn.Module]:
    """Return the network as two callables: images (N, C, H, W) -> what the head takes, and the head -> logits."""
    head = model.get_submodule(card.head)

    @torch.no_grad()
    def base(images: Tensor) -> Tensor:
        taken: list[Tensor] = []
        handle = head.register_forward_pre_hook(lambda module, arguments: taken.append(arguments[0]))
        try:
            model(images)
        finally:
            handle.remove()
        return taken[0]

    return base, head
