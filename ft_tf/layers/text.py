"""What text networks are made of: embeddings, masks, attention step by step, and pooling over tokens."""

import math
from typing import Any

import keras
import tensorflow as tf

from ft_tf.layers.base import SameShape, register, sizes
from ft_tf.layers.noise import Dropout

WEIGHTS = "NGTC"  # the axes of attention weights: by head, for each token a share of every one


@register
class GeluNew(SameShape):
    """GPT-2's x * Phi(x), by tanh. Keras's and TensorFlow's take its constants through float32."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@register
class TokenEmbedding(keras.layers.Layer):
    """A vector for each number: (N, T) -> (N, T, width). As in PyTorch the row of `padding` has no gradient."""

    def __init__(self, rows: int, width: int, *, padding: int | None = None, **base: Any) -> None:
        super().__init__(**base)
        self.rows, self.width, self.padding = rows, width, padding

    def build(self, input_shape: tuple) -> None:
        self.weight = self.add_weight(name="weight", shape=(self.rows, self.width), initializer="zeros")

    def call(self, numbers: tf.Tensor) -> tf.Tensor:
        return look_up_rows(tf.convert_to_tensor(self.weight), numbers, self.padding)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape, self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows, "width": self.width, "padding": self.padding}


@register
class TiedEmbedding(TokenEmbedding):
    """An embedding that also hands on its matrix (rows, width), for the layer that gives the logits by it."""

    def call(self, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return super().call(numbers), tf.convert_to_tensor(self.weight)

    def compute_output_shape(self, input_shape: tuple) -> Any:
        return super().compute_output_shape(input_shape), (self.rows, self.width)


def look_up_rows(table: tf.Tensor, numbers: tf.Tensor, padding: int | None) -> tf.Tensor:
    """Return rows of a table, whose gradient is as large as the table: that of tf.gather would be a list of rows."""

    @tf.custom_gradient
    def look_up(table: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            rows = sizes(table)[0]
            kept = numbers if padding is None else tf.where(numbers == padding, tf.cast(-1, numbers.dtype), numbers)
            flat = tf.reshape(upstream, [-1, sizes(table)[1]])  # a negative number's row is left out of the sum
            return tf.math.unsorted_segment_sum(flat, tf.reshape(kept, [-1]), rows)

        return tf.gather(table, numbers), gradient

    return look_up(table)


@register
class Affine(keras.layers.Layer):
    """A dense layer whose weight is (in, out) in the canonical layout, too, as GPT-2's: (..., in) -> (..., units)."""

    def __init__(self, units: int, **base: Any) -> None:
        super().__init__(**base)
        self.units = units

    def build(self, input_shape: tuple) -> None:
        self.weight = self.add_weight(name="weight", shape=(input_shape[-1], self.units))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(x, self.weight, 1) + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@register
class Positions(SameShape):
    """Each token's position, whichever side is padded: mask (N, T) -> from `first` on; padding has the one before
    `first`, or 0.
    """

    traced_as = ""

    def __init__(self, first: int, **base: Any) -> None:
        super().__init__(**{**base, "dtype": "int64"})
        self.first = first

    def call(self, present: tf.Tensor) -> tf.Tensor:  # Keras takes an argument called mask for one of its own
        return tf.maximum(tf.cumsum(present, axis=1) * present + self.first - 1, 0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first": self.first}


@register
class AdditiveMask(keras.layers.Layer):
    """What is added to the scores: 0 where a token may look, else the type's least number.

    mask (N, T), 1 for a token and 0 for padding -> (N, 1, 1, T), causal (N, 1, T, T). There every place sees itself,
    padding too, for a row that sees nothing would see all alike.
    """

    traced_as = ""

    def __init__(self, *, causal: bool, **base: Any) -> None:
        super().__init__(**base)
        self.causal = causal

    def call(self, present: tf.Tensor) -> tf.Tensor:
        dtype = tf.as_dtype(self.compute_dtype)
        seen = tf.expand_dims(tf.expand_dims(present > 0, 1), 1)  # LiteRT has no slice that adds axes
        if self.causal:
            places = tf.range(sizes(present)[1])
            seen = (seen & (places[:, None] >= places)) | (places[:, None] == places)
        return tf.where(seen, tf.zeros((), dtype), tf.constant(dtype.min, dtype))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        texts, tokens = input_shape
        return (texts, 1, tokens if self.causal else 1, tokens)

    def compute_output_spec(self, present: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(present.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "causal": self.causal}


@register
class AttentionWeights(keras.layers.Layer):
    """softmax(q k^T / sqrt(C / heads) + mask): q, k (N, T, C), the mask -> (N, heads, T, T)."""

    traced_as, traced_axes = "", WEIGHTS

    def __init__(self, heads: int, **base: Any) -> None:
        super().__init__(**base)
        self.heads = heads

    def call(self, q: tf.Tensor, k: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
        q, k = by_heads(q, self.heads), by_heads(k, self.heads)
        scale = sizes(q)[-1] ** -0.5
        scores = tf.matmul(q * scale, k, transpose_b=True)  # tf.einsum turns its results once more
        return tf.nn.softmax(scores + tf.cast(added, q.dtype))

    def compute_output_shape(self, q_shape: tuple, k_shape: tuple, added_shape: tuple) -> tuple:
        return (q_shape[0], self.heads, q_shape[1], k_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}


@register
class AttentionDropout(Dropout):
    """Dropout of attention weights (N, heads, T, T), whose elements are counted as they lie: they are no maps."""

    maps, traced_axes = False, WEIGHTS


@register
class AttentionContext(keras.layers.Layer):
    """Weights (N, heads, T, T) times values (N, T, C), the heads side by side: -> (N, T, C)."""

    traced_as = ""

    def call(self, weights: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        texts, tokens, width = sizes(v)
        heads = tf.matmul(weights, by_heads(v, sizes(weights)[1]))
        return tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [texts, tokens, width])

    def compute_output_shape(self, weights_shape: tuple, v_shape: tuple) -> tuple:
        return v_shape


def by_heads(x: tf.Tensor, heads: int) -> tf.Tensor:
    """Return (N, T, C) as (N, heads, T, C / heads)."""
    texts, tokens, width = sizes(x)
    return tf.transpose(tf.reshape(x, [texts, tokens, heads, width // heads]), [0, 2, 1, 3])


@register
class SplitThree(keras.layers.Layer):
    """Queries, keys and values that lie side by side: (N, T, 3 * C) -> three of (N, T, C)."""

    traced_as = ""

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(tf.split(x, 3, axis=-1))

    def compute_output_shape(self, input_shape: tuple) -> Any:
        return ((*input_shape[:-1], input_shape[-1] // 3),) * 3


@register
class PoolTokens(keras.layers.Layer):
    """One vector a text, "mean" of its tokens, its first ("cls"), its "last": (N, T, C), mask (N, T) -> (N, C)."""

    traced_as = ""

    def __init__(self, kind: str, **base: Any) -> None:
        super().__init__(**base)
        self.kind = kind

    def call(self, tokens: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        if self.kind == "mean":
            shares = tf.cast(present, tokens.dtype)[:, :, None]
            return tf.reduce_sum(tokens * shares, 1) / tf.reduce_sum(shares, 1)
        count = sizes(present)[1]
        places = present if self.kind == "cls" else tf.range(count, dtype=present.dtype) * present
        at = tf.argmax(tf.cast(places, tf.int32), 1)  # LiteRT has none of int64
        chosen = tf.one_hot(at, count, dtype=tokens.dtype)
        return tf.einsum("nt,ntc->nc", chosen, tokens)  # a gather's gradient would be a list of rows

    def compute_output_shape(self, tokens_shape: tuple, present_shape: tuple) -> tuple:
        return (tokens_shape[0], tokens_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}


@register
class TiedLogits(keras.layers.Layer):
    """Logits by a matrix that is another layer's: (N, T, C), (rows, C) -> (N, T, rows)."""

    def call(self, x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(x, matrix, [[2], [1]])

    def compute_output_shape(self, x_shape: tuple, matrix_shape: tuple) -> tuple:
        return (*x_shape[:-1], matrix_shape[0])
