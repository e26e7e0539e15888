"""A text network: transformers' own base, and the head that its reference puts on it."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ft.errors import RecipeError
from ft.zoo.text import TextCard
from ft.zoo.text.card import BASES, has_pooler
from ft_torch.layers import Dropout, additive_mask, pool_tokens, positions_of, with_shared_attention, with_shared_noise
from ft_torch.layers.attention import NAME


class TextNetwork(nn.Module):
    """Integers (N, T) by name ("ids", "mask", "types" where the config has any) -> logits.

    (N, classes) for one answer a text, (N, T, classes) for one a token. Its state dict is that of the stock class of
    the same task (BertForSequenceClassification ...), where the pool is that of the reference. What a subclass of its
    own says: how its base is built, and its head.
    """

    usual_pool = "cls"  # of the reference

    def __init__(self, card: TextCard, num_classes: int) -> None:
        super().__init__()
        self.card, config = card, card.config
        base = self.build_base(has_pooler(config.architecture, card.answer, card.pool))
        self.add_module(BASES[config.architecture], with_shared_attention(with_shared_noise(base)))
        self.build_head(num_classes)

    @property
    def base(self) -> nn.Module:
        """Transformers' model without a head."""
        return self.get_submodule(BASES[self.card.config.architecture])

    def stock_config(self, **more: Any) -> dict[str, Any]:
        """Return the config as transformers' configuration classes take it, with the attention of this wing."""
        return {**self.card.config.as_json(), **more, "attn_implementation": NAME}

    def build_base(self, pooler: bool) -> nn.Module:
        """Return transformers' model without a head."""
        raise NotImplementedError

    def build_head(self, num_classes: int) -> None:
        """Add dropout and one layer, which most heads are."""
        self.dropout = Dropout(self.card.rate)
        self.classifier = nn.Linear(self.card.config.width, num_classes)

    def run_base(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the vectors of all tokens: (N, T, C)."""
        config, mask = self.card.config, inputs["mask"]
        given = {"input_ids": inputs["ids"], "position_ids": positions_of(mask, config.first_position)}
        given["attention_mask"] = additive_mask(mask, causal=config.is_causal, dtype=next(self.parameters()).dtype)
        if config.types:
            given["token_type_ids"] = inputs["types"]
        return self.base(**given, **({"use_cache": False} if config.is_causal else {})).last_hidden_state

    def features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return what the head takes: (N, C) for one answer a text, else (N, T, C)."""
        tokens = self.run_base(inputs)
        if self.card.answer != "sequence":
            return tokens
        return self.pool(pool_tokens(tokens, inputs["mask"], self.card.pool or self.usual_pool))

    def pool(self, vector: Tensor) -> Tensor:
        """Return what a pooler, where the base ends with one, makes of a text's vector."""
        return vector

    def logits(self, features: Tensor) -> Tensor:
        """Return what the head makes of the features."""
        return self.classifier(self.dropout(features))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.logits(self.features(inputs))


def split_text(model: TextNetwork) -> tuple[Callable[[Mapping[str, Tensor]], Tensor], Callable[[Tensor], Tensor]]:
    """Return the network as two callables: inputs -> what the head takes, without gradients, and the head -> logits."""
    if model.card.answer == "lm":
        raise RecipeError("features: a language model's head is its embeddings' matrix; it has no head to train alone")
    return torch.no_grad()(model.features), model.logits
