"""GPT-2 as transformers ships it, DistilGPT-2 included."""

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config
from transformers.models.gpt2 import modeling_gpt2 as stock

from ft_torch.layers.attention import NAME
from ft_torch.models.text.network import TextNetwork


class GPT2(TextNetwork):
    """A GPT-2; the reference's head for one answer is one layer without bias on the last token, and for the next token
    the embeddings' own matrix, which is held once.
    """

    usual_pool = "last"

    def build_base(self, pooler: bool) -> nn.Module:
        return stock.GPT2Model(GPT2Config(**self.card.config.as_json(), attn_implementation=NAME))

    def build_head(self, num_classes: int) -> None:
        if self.card.answer == "sequence":
            self.score = nn.Linear(self.card.config.width, num_classes, bias=False)
        else:
            super().build_head(num_classes)

    def logits(self, features: Tensor) -> Tensor:
        if self.card.answer == "lm":
            return F.linear(features, self.base.wte.weight)  # pyright: ignore[reportArgumentType]
        return self.score(features) if self.card.answer == "sequence" else super().logits(features)
