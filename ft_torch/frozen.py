"""The fast path for a frozen base: its features are computed once, then only the head is trained."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d

from ft.zoo import Card

Call = Callable[[Tensor], Tensor]


def split(model: nn.Module, card: Card) -> tuple[Call, nn.Module]:
    """Return the network as two callables: images (N, C, H, W) -> what the head takes, and the head -> logits."""
    # flattened in between as Inception does after its dropout, and at the end where the last layer is a convolution
    parts = [part for path in card.stages["head"] for part in (model.get_submodule(path), nn.Flatten())]
    if len(parts) > 2 and takes_maps(parts[2]):
        del parts[1]
    head = nn.Sequential(*parts)

    @torch.no_grad()
    def base(images: Tensor) -> Tensor:
        taken: list[Tensor] = []
        handle = head[0].register_forward_pre_hook(lambda module, arguments: taken.append(arguments[0]))
        try:
            model(images)
        finally:
            handle.remove()
        return taken[0]

    return base, head


def takes_maps(head: nn.Module) -> bool:
    """Tell whether a head begins with a normalisation of maps (N, C, 1, 1), as ConvNeXt's does."""
    return isinstance(head, nn.Sequential) and isinstance(head[0], LayerNorm2d)
