"""GPT-2 as transformers ships it, DistilGPT-2 included."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config
from transformers.models.gpt2 import modeling_gpt2 as stock

from ft_torch.models.text.network import TextNetwork


class GPT2(TextNetwork):
    """A GPT-2; the reference's head for one answer is one layer without bias on the last token, and for the next token
    the embeddings' own matrix, which is held once.
    """

    usual_pool = "last"

    def build_base(self, pooler: bool) -> nn.Module:
        return stock.GPT2Model(GPT2Config(**self.stock_config()))

    def build_head(self, num_classes: int) -> None:
        if self.card.task == "sequence":
            self.score = nn.Linear(self.card.config.width, num_classes, bias=False)
        else:
            super().build_head(num_classes)

    def logits(self, features: Tensor) -> Tensor:
        if self.card.task == "lm":
            return F.linear(features, cast(nn.Embedding, self.base.get_submodule("wte")).weight)
        return self.score(features) if self.card.task == "sequence" else super().logits(features)
