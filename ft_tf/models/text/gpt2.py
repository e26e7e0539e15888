"""GPT-2, a port of transformers/models/gpt2/modeling_gpt2.py, DistilGPT-2 included."""

import keras
from keras import KerasTensor

from ft_tf.layers import Affine, Dropout, LayerNorm, Linear, SplitThree, TiedEmbedding, TiedLogits, TokenEmbedding
from ft_tf.models.text.network import Base, Given, TextNetwork


class GPT2(TextNetwork):
    """A GPT-2; the reference's head for one answer is one layer without bias on the last token, and for the next token
    the embeddings' own matrix, which is held once.
    """

    usual_pool = "last"

    def run_base(self, given: Given) -> Base:
        config = self.config
        words = TiedEmbedding(config.vocabulary, config.width, name="transformer.wte")
        places = TokenEmbedding(config.positions, config.width, name="transformer.wpe")
        x, matrix = words(given.ids)
        x = keras.layers.Add(name="transformer.add")([x, places(given.positions)])
        x = Dropout(config.embedding_dropout, name="transformer.drop")(x)
        for index in range(config.layers):
            x = self.layer(x, given.mask, f"transformer.h.{index}")
        return Base(LayerNorm(eps=config.eps, name="transformer.ln_f")(x), matrix=matrix)

    def layer(self, x: KerasTensor, mask: KerasTensor, path: str) -> KerasTensor:
        """Self-attention, then a two-layer perceptron, each normalised first and beside the identity."""
        config, own = self.config, f"{path}.attn"
        y = LayerNorm(eps=config.eps, name=f"{path}.ln_1")(x)
        qkv = Affine(3 * config.width, name=f"{own}.c_attn")(y)
        q, k, v = SplitThree(name=f"{own}.split")(qkv)
        y = Affine(config.width, name=f"{own}.c_proj")(self.attend(q, k, v, mask, path=own, noise="attn_dropout"))
        y = Dropout(config.dropout, name=f"{own}.resid_dropout")(y)
        x = keras.layers.Add(name=f"{path}.add")([y, x])
        y = LayerNorm(eps=config.eps, name=f"{path}.ln_2")(x)
        y = self.activate(Affine(config.hidden, name=f"{path}.mlp.c_fc")(y), f"{path}.mlp.act")
        y = Affine(config.width, name=f"{path}.mlp.c_proj")(y)
        y = Dropout(config.dropout, name=f"{path}.mlp.dropout")(y)
        return keras.layers.Add(name=f"{path}.add.1")([x, y])

    def logits(self, base: Base, mask: KerasTensor) -> KerasTensor:
        if self.card.answer == "lm":
            return TiedLogits(name="lm_head")(base.tokens, base.matrix)
        if self.card.answer == "sequence":
            return Linear(self.num_classes, bias=False, name="score")(self.features(base, mask))
        return super().logits(base, mask)
