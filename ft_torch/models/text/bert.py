"""BERT as transformers ships it, MiniLM and other encoders of its kind included."""

from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert import modeling_bert as stock

from ft_torch.models.text.network import TextNetwork


class Bert(TextNetwork):
    """A BERT; the reference's head is a pooler, which belongs to the base, dropout and one layer."""

    def build_base(self, pooler: bool) -> nn.Module:
        config = BertConfig(**self.stock_config())
        base = stock.BertModel(config, add_pooling_layer=pooler)
        if pooler:
            base.pooler = Pooler(config)
        return base

    def pool(self, vector: Tensor) -> Tensor:
        pooler = self.base.pooler
        return pooler(vector) if isinstance(pooler, Pooler) else vector


class Pooler(stock.BertPooler):
    """BERT's pooler on the first token (N, C), wherever padding stands; the base calls it with all places, in vain."""

    traced_as = ""

    def forward(self, hidden_states: Tensor) -> Tensor:
        return super().forward(hidden_states[:, None]) if hidden_states.ndim == 2 else hidden_states
