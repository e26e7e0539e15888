"""Losses that are divided by how many boxes a step draws, which is known behind the forward pass only.

Ranks add their numbers up there. Of passes, one after the other, the later ones are not known yet: what each adds is
kept apart by divisor, and divided at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Total = Callable[[Tensor], Tensor]


class Terms(NamedTuple):
    """Sums of a loss, T of them, and what each is divided by, (T,)."""

    sums: Sequence[Tensor]
    counts: Tensor


def shared(terms: Terms, total: Total, *, counts: bool) -> Tensor:
    """Return what this rank adds to the loss of all. counts: False where its samples only stand in."""
    divisors = total(terms.counts * counts).clamp(min=1)
    return (torch.stack(list(terms.sums)) * counts / divisors).sum()


def apart(terms: Terms, parameters: Mapping[str, Tensor], *, counts: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Return sums and divisors of a pass, (2, T), and the sums' gradients (T, ...) of each parameter."""
    how: dict[str, Any] = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    rows = [torch.autograd.grad(x * counts, list(parameters.values()), **how) for x in terms.sums]
    gradients = {name: torch.stack(own) for name, own in zip(parameters, zip(*rows, strict=True), strict=True)}
    return torch.stack([torch.stack(list(terms.sums)).detach(), terms.counts]) * counts, gradients


def divided(sums: Tensor, gradients: Mapping[str, Tensor], total: Total) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what this rank's passes add to loss and gradients of all, from sums of what `apart` returned."""
    shares = 1 / total(sums[1]).clamp(min=1)
    parts = {name: shares.reshape(-1, *[1] * (g.ndim - 1)) * g for name, g in gradients.items()}
    return (sums[0] * shares).sum(), {name: own.sum(0) for name, own in parts.items()}
