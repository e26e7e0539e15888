"""A text network: the base of its architecture, and the head that its reference puts on it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import KerasTensor

from ft.errors import RecipeError
from ft.zoo.text import TextCard
from ft.zoo.text.card import has_pooler
from ft_tf.layers import (
    AdditiveMask,
    AttentionContext,
    AttentionDropout,
    AttentionWeights,
    Dropout,
    Gelu,
    GeluNew,
    Linear,
    PoolTokens,
    Positions,
)
from ft_tf.precision import type_policy

Inputs = dict[str, KerasTensor]


class Base(NamedTuple):
    """What a base gives: the vectors of all tokens (N, T, C), what a pooler makes of the first, and the matrix of the
    embeddings, each where it is wanted.
    """

    tokens: KerasTensor
    pooled: KerasTensor | None = None
    matrix: KerasTensor | None = None


class Given(NamedTuple):
    """What a base takes: token numbers and types (N, T), their positions, which are tokens, and what is added to the
    scores.
    """

    ids: KerasTensor
    types: KerasTensor | None
    positions: KerasTensor
    present: KerasTensor
    mask: KerasTensor


class TextNetwork:
    """The builder of one architecture's networks: integers (N, T) by name -> logits.

    (N, classes) for one answer a text, (N, T, classes) for one a token. What a subclass of its own says: its base, and
    its head.
    """

    usual_pool = "cls"  # of the reference

    def __init__(self, card: TextCard, num_classes: int) -> None:
        self.card, self.config, self.num_classes = card, card.config, num_classes

    def build(self, dtype: str) -> keras.Model:
        """Return the network."""
        names = ("ids", "mask", "types") if self.config.types else ("ids", "mask")
        with type_policy(dtype):
            inputs = {name: keras.Input((None,), dtype="int64", name=name) for name in names}
            return keras.Model(inputs, self.logits(self.run_base(self.given(inputs)), inputs["mask"]), name="text")

    def given(self, inputs: Inputs) -> Given:
        """Return what the base takes."""
        positions = Positions(self.config.first_position, name="positions")(inputs["mask"])
        mask = AdditiveMask(causal=self.config.is_causal, name="additive_mask")(inputs["mask"])
        return Given(inputs["ids"], inputs.get("types"), positions, inputs["mask"], mask)

    def run_base(self, given: Given) -> Base:
        """Apply the base."""
        raise NotImplementedError

    @property
    def pooler(self) -> bool:
        """Whether the base ends with BERT's pooler."""
        return has_pooler(self.config.architecture, self.card.answer, self.card.pool)

    def features(self, base: Base, mask: KerasTensor) -> KerasTensor:
        """Return what the head takes: (N, C) for one answer a text, else (N, T, C)."""
        if self.card.answer != "sequence":
            return base.tokens
        if base.pooled is not None:
            return base.pooled
        return PoolTokens(self.card.pool or self.usual_pool, name="pool")(base.tokens, mask)

    def logits(self, base: Base, mask: KerasTensor) -> KerasTensor:
        """Apply the head: dropout and one layer, which most heads are."""
        x = Dropout(self.card.rate, name="dropout")(self.features(base, mask))
        return Linear(self.num_classes, name="classifier")(x)

    def activate(self, x: KerasTensor, name: str) -> KerasTensor:
        """Apply the activation inside a perceptron."""
        kinds = {"gelu": Gelu, "gelu_new": GeluNew, "relu": keras.layers.ReLU}
        return kinds[self.config.activation](name=name)(x)

    def attend(
        self, q: KerasTensor, k: KerasTensor, v: KerasTensor, mask: KerasTensor, *, path: str, noise: str = "dropout"
    ) -> KerasTensor:
        """Apply attention by heads to queries, keys and values (N, T, C)."""
        weights = AttentionWeights(self.config.heads, name=f"{path}.weights")(q, k, mask)
        weights = AttentionDropout(self.config.attention_dropout, name=f"{path}.{noise}")(weights)
        return AttentionContext(name=f"{path}.context")(weights, v)


def split_text(
    model: keras.Model,
) -> tuple[Callable[[Mapping[str, tf.Tensor]], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]:
    """Return the network as two models: inputs -> what the head takes, and the head -> logits."""
    heads = ("pre_classifier", "dropout", "classifier", "score")
    head = [layer for layer in model.layers if layer.name.partition(".")[0] in heads]
    if not head:
        raise RecipeError("features: a language model's head is its embeddings' matrix; it has no head to train alone")
    return keras.Model(model.input, head[0].input), keras.Model(head[0].input, model.outputs[0])
