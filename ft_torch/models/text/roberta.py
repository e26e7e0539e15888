"""RoBERTa as transformers ships it: BERT's blocks, positions that count from behind the padding's, another head."""

from torch import Tensor, nn
from transformers import RobertaConfig
from transformers.models.roberta import modeling_roberta as stock

from ft_torch.layers import with_shared_noise
from ft_torch.models.text.network import TextNetwork


class Roberta(TextNetwork):
    """A RoBERTa; the reference's head is dropout, dense, tanh, dropout, dense on the first token."""

    def build_base(self, pooler: bool) -> nn.Module:
        return stock.RobertaModel(RobertaConfig(**self.stock_config()), add_pooling_layer=pooler)

    def build_head(self, num_classes: int) -> None:
        if not self.is_whole:
            super().build_head(num_classes)
            return
        config = RobertaConfig(**self.stock_config(num_labels=num_classes))
        self.classifier = with_shared_noise(stock.RobertaClassificationHead(config))

    @property
    def is_whole(self) -> bool:
        """Whether the head is the reference's own module."""
        return self.card.answer == "sequence" and self.card.pool is None

    def logits(self, features: Tensor) -> Tensor:
        return self.classifier(features[:, None]) if self.is_whole else super().logits(features)
