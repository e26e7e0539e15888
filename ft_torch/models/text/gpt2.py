"""GPT-2 as transformers ships it, DistilGPT-2 included."""

from typing import cast

from torch import Tensor, nn
from transformers import GPT2Config
from transformers.models.gpt2 import modeling_gpt2 as stock
from transformers.pytorch_utils import Conv1D as StockConv1D

from ft_torch.layers import linear
from ft_torch.models.text.network import TextNetwork


class GPT2(TextNetwork):
    """A GPT-2; the reference's head for one answer is one layer without bias on the last token, and for the next token
    the embeddings' own matrix, which is held once.
    """

    usual_pool = "last"

    def build_base(self, pooler: bool) -> nn.Module:
        ends = {"bos_token_id": None, "eos_token_id": None}  # of GPT-2's own vocabulary; transformers warns in another
        base = stock.GPT2Model(GPT2Config(**self.stock_config(**ends)))
        for layer in base.modules():
            if type(layer) is StockConv1D:
                layer.__class__ = Conv1D
        return base

    def build_head(self, num_classes: int) -> None:
        if self.card.answer == "lm":
            self.lm_head = TiedLogits(cast(nn.Embedding, self.base.get_submodule("wte")))
        elif self.card.answer == "sequence":
            self.score = nn.Linear(self.card.config.width, num_classes, bias=False)
        else:
            super().build_head(num_classes)

    def logits(self, features: Tensor) -> Tensor:
        if self.card.answer == "lm":
            return self.lm_head(features)
        return self.score(features) if self.card.answer == "sequence" else super().logits(features)


class Conv1D(StockConv1D):
    """A dense layer whose weight is (in, out), by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.t(), self.bias)


class TiedLogits(nn.Module):
    """Logits by the matrix of an embedding, which stays that one's: held in a tuple it is no part of this module."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.tied = (embedding,)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.tied[0].weight)
