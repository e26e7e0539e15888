"""BERT, a port of transformers/models/bert/modeling_bert.py, MiniLM and other encoders of its kind included."""

import keras
from keras import KerasTensor

from ft_tf.layers import Dropout, LayerNorm, Linear, PoolTokens, TokenEmbedding
from ft_tf.models.text.network import Base, Given, TextNetwork


class Bert(TextNetwork):
    """A BERT; the reference's head is a pooler, which belongs to the base, dropout and one layer."""

    name = "bert"
    pads_positions = False  # whether padding's row of the position embedding is none to train

    def run_base(self, given: Given) -> Base:
        x = self.embed(given)
        for index in range(self.config.layers):
            x = self.layer(x, given.mask, f"{self.name}.encoder.layer.{index}")
        return Base(x, self.pool(x, given.present) if self.pooler else None)

    def embed(self, given: Given) -> KerasTensor:
        """Return the sum of three embeddings, normalised."""
        config, path = self.config, f"{self.name}.embeddings"
        words = TokenEmbedding(config.vocabulary, config.width, padding=config.pad, name=f"{path}.word_embeddings")
        types = TokenEmbedding(config.types, config.width, name=f"{path}.token_type_embeddings")
        pad = config.pad if self.pads_positions else None
        places = TokenEmbedding(config.positions, config.width, padding=pad, name=f"{path}.position_embeddings")
        x = keras.layers.Add(name=f"{path}.add")([words(given.ids), types(given.types)])
        x = keras.layers.Add(name=f"{path}.add.1")([x, places(given.positions)])
        x = LayerNorm(eps=config.eps, name=f"{path}.LayerNorm")(x)
        return Dropout(config.dropout, name=f"{path}.dropout")(x)

    def layer(self, x: KerasTensor, mask: KerasTensor, path: str) -> KerasTensor:
        """Self-attention, then a two-layer perceptron, each added to its input and normalised."""
        own = f"{path}.attention.self"
        q, k, v = (Linear(self.config.width, name=f"{own}.{name}")(x) for name in ("query", "key", "value"))
        x = self.close(self.attend(q, k, v, mask, path=own), x, f"{path}.attention.output")
        y = Linear(self.config.hidden, name=f"{path}.intermediate.dense")(x)
        return self.close(self.activate(y, f"{path}.intermediate.intermediate_act_fn"), x, f"{path}.output")

    def close(self, y: KerasTensor, x: KerasTensor, path: str) -> KerasTensor:
        """Dense layer and dropout, beside the identity, normalised."""
        y = Linear(self.config.width, name=f"{path}.dense")(y)
        y = Dropout(self.config.dropout, name=f"{path}.dropout")(y)
        y = keras.layers.Add(name=f"{path}.add")([y, x])
        return LayerNorm(eps=self.config.eps, name=f"{path}.LayerNorm")(y)

    def pool(self, x: KerasTensor, present: KerasTensor) -> KerasTensor:
        """Return what the pooler makes of the first token, wherever padding stands."""
        path = f"{self.name}.pooler"
        first = PoolTokens("cls", name=f"{path}.first")(x, present)
        y = Linear(self.config.width, name=f"{path}.dense")(first)
        return keras.layers.Activation("tanh", name=f"{path}.activation")(y)
