"""DistilBERT as transformers ships it."""

import torch
from torch import Tensor, nn
from transformers import DistilBertConfig
from transformers.models.distilbert import modeling_distilbert as stock

from ft_torch.models.text.network import TextNetwork


class DistilBert(TextNetwork):
    """A DistilBERT; the reference's head is dense, ReLU, dropout, dense on the first token."""

    def build_base(self, pooler: bool) -> nn.Module:
        return stock.DistilBertModel(DistilBertConfig(**self.stock_config()))

    def build_head(self, num_classes: int) -> None:
        if self.card.answer == "sequence" and self.card.pool is None:
            self.pre_classifier = nn.Linear(self.card.config.width, self.card.config.width)
        super().build_head(num_classes)

    def logits(self, features: Tensor) -> Tensor:
        if hasattr(self, "pre_classifier"):
            features = torch.relu(self.pre_classifier(features))
        return super().logits(features)
