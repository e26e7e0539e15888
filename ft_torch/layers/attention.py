"""Attention through transformers' interface, its dropout drawn by the noise layer that the attention module holds."""

from typing import Any

import torch
from torch import Tensor, nn

from ft_torch.layers.noise import Dropout

NAME = "ft_shared_noise"


class AttentionDropout(Dropout):
    """Dropout of attention weights (N, heads, T, T)."""

    traced_axes = "NGTC"  # by head, for each token a share of every one


def with_shared_attention(model: nn.Module) -> nn.Module:
    """Return transformers' model whose attention draws by layers that say the axes of its weights."""
    for module in list(model.modules()):
        if hasattr(module, "is_causal"):  # an attention: what calls `attend`
            name = noise_of(module)
            setattr(module, name, AttentionDropout(getattr(module, name).p))
            vars(module)["traced_whole"] = True  # what stands between its layers is no node of the network
    return model


def noise_of(module: nn.Module) -> str:
    """Return the name of the layer that draws the dropout of an attention's weights."""
    return "attn_dropout" if hasattr(module, "attn_dropout") else "dropout"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float = 1.0,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Return dropout(softmax(q k^T * scaling + mask)) v: (N, heads, T, C / heads) -> (N, T, heads, C / heads).

    `dropout` is the rate; what draws is the module's own layer, which bears the path that keys the noise.
    """
    scores = (query * scaling) @ key.transpose(2, 3)  # of the two to scale the smaller one
    least = torch.finfo(scores.dtype).min  # a mask of float32 would make the scores of bfloat16 float32
    weights = torch.softmax(scores + attention_mask.clamp(min=least).to(scores.dtype), dim=-1)
    weights = getattr(module, noise_of(module))(weights)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def additive_mask(mask: Tensor, *, causal: bool, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores: 0 where a token may look, else the type's least number.

    mask: (N, tokens), 1 for a token and 0 for padding -> (N, 1, 1, tokens), causal (N, 1, tokens, tokens). There every
    place sees itself, padding too, for a row that sees nothing would see all alike.
    """
    seen = mask.bool()[:, None, None, :]
    if causal:
        places = torch.arange(mask.shape[1], device=mask.device)
        seen = (seen & (places[:, None] >= places)) | (places[:, None] == places)
    return torch.zeros(seen.shape, dtype=dtype, device=mask.device).masked_fill(~seen, torch.finfo(dtype).min)


def positions_of(mask: Tensor, first: int) -> Tensor:
    """Return each token's position, whichever side is padded: (N, tokens) -> from `first` on; padding has the one
    before `first`, or 0.
    """
    count = mask.long().cumsum(1) * mask
    return (count + first - 1).clamp(min=0)


def pool_tokens(tokens: Tensor, mask: Tensor, kind: str) -> Tensor:
    """Return one vector a text: (N, tokens, C) -> (N, C). "mean" of its tokens, its first ("cls"), its "last"."""
    if kind == "mean":
        shares = mask.to(tokens.dtype)[:, :, None]
        return (tokens * shares).sum(1) / shares.sum(1)
    places = torch.arange(mask.shape[1], device=mask.device) * mask
    at = mask.argmax(1) if kind == "cls" else places.argmax(1)
    return tokens[torch.arange(tokens.shape[0], device=mask.device), at]


def offer_attention() -> None:
    """Make this attention known to transformers, whose models call what their config names."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
