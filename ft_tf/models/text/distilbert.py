"""DistilBERT, a port of transformers/models/distilbert/modeling_distilbert.py."""

import keras
from keras import KerasTensor

from ft_tf.layers import Dropout, LayerNorm, Linear, TokenEmbedding
from ft_tf.models.text.network import Base, Given, TextNetwork


class DistilBert(TextNetwork):
    """A DistilBERT; the reference's head is dense, ReLU, dropout, dense on the first token."""

    def run_base(self, given: Given) -> Base:
        x = self.embed(given)
        for index in range(self.config.layers):
            x = self.layer(x, given.mask, f"distilbert.transformer.layer.{index}")
        return Base(x)

    def embed(self, given: Given) -> KerasTensor:
        """Return the sum of both embeddings, normalised."""
        config, path = self.config, "distilbert.embeddings"
        words = TokenEmbedding(config.vocabulary, config.width, padding=config.pad, name=f"{path}.word_embeddings")
        places = TokenEmbedding(config.positions, config.width, name=f"{path}.position_embeddings")
        x = keras.layers.Add(name=f"{path}.add")([words(given.ids), places(given.positions)])
        x = LayerNorm(eps=config.eps, name=f"{path}.LayerNorm")(x)
        return Dropout(config.dropout, name=f"{path}.dropout")(x)

    def layer(self, x: KerasTensor, mask: KerasTensor, path: str) -> KerasTensor:
        """Self-attention, then a two-layer perceptron, each added to its input and normalised."""
        config, own = self.config, f"{path}.attention"
        q, k, v = (Linear(config.width, name=f"{own}.{name}_lin")(x) for name in "qkv")
        y = Linear(config.width, name=f"{own}.out_lin")(self.attend(q, k, v, mask, path=own))
        y = keras.layers.Add(name=f"{path}.add")([y, x])
        x = LayerNorm(eps=config.eps, name=f"{path}.sa_layer_norm")(y)
        y = self.activate(Linear(config.hidden, name=f"{path}.ffn.lin1")(x), f"{path}.ffn.activation")
        y = Linear(config.width, name=f"{path}.ffn.lin2")(y)
        y = Dropout(config.dropout, name=f"{path}.ffn.dropout")(y)
        y = keras.layers.Add(name=f"{path}.add.1")([y, x])
        return LayerNorm(eps=config.eps, name=f"{path}.output_layer_norm")(y)

    def logits(self, base: Base, mask: KerasTensor) -> KerasTensor:
        if self.card.answer != "sequence" or self.card.pool is not None:
            return super().logits(base, mask)
        x = Linear(self.config.width, name="pre_classifier")(self.features(base, mask))
        x = Dropout(self.card.rate, name="dropout")(keras.layers.ReLU(name="relu")(x))
        return Linear(self.num_classes, name="classifier")(x)
