"""Small networks in Keras, built from a list of layers: one half of a pair of strangers (foreign_models.py)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras import ops

from parity_tests.support.foreign_models import Layers

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x * tf.constant(0.5, x.dtype) ** 0.5)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + tf.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "silu": keras.activations.silu,
    "elu": keras.activations.elu,
    "selu": keras.activations.selu,
    "softplus": keras.activations.softplus,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "hardswish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "leaky": lambda x: tf.where(x > 0, x, x * 0.01),
    "leaky2": lambda x: tf.where(x > 0, x, x * 0.2),
    "softsign": keras.activations.softsign,
}
CONVS = {1: L.Conv1D, 2: L.Conv2D, 3: L.Conv3D}
PAD_MODES = {"zero": "CONSTANT", "reflect": "REFLECT", "symmetric": "SYMMETRIC"}
REDUCE = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "max": tf.reduce_max}


class Net(keras.Model):
    """What a list of layers computes; maps have their channels last."""

    def __init__(self, layers: Layers, rank: int) -> None:
        super().__init__()
        self.steps = [Step(kind, options, rank, name=f"step{i}") for i, (kind, options) in enumerate(layers)]

    def build(self, *shapes: Any) -> None:
        """Leave it to the layers."""
        self.built = True

    def call(self, x: Any, second: Any = None, training: bool = False) -> Any:
        state: Any = x if second is None else (x, second)
        for step in self.steps:
            state = step(*state, training=training) if isinstance(state, tuple) else step(state, training=training)
        return state


class Step(L.Layer):
    """One entry of the list."""

    def __init__(self, kind: str, options: dict[str, Any], rank: int, **more: Any) -> None:
        super().__init__(**more)
        self.kind, self.options, self.rank, self.part = kind, options, rank, make(kind, options, rank)

    def build(self, *shapes: Any) -> None:
        """Leave it to the layers."""
        self.built = True

    def call(self, x: Any, second: Any = None, training: bool = False) -> Any:
        state = x if second is None else (x, second)
        return run(self.kind, self.options, self.part, state, self.rank, training)


class UnbiasedNorm(L.BatchNormalization):
    """BatchNorm whose moving variance is that of the population, as PyTorch has it."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        before = tf.identity(self.moving_variance.value)
        y = super().call(inputs, training=training)
        if training:
            count = tf.size(inputs) // inputs.shape[-1]
            moved = self.moving_variance.value - before * self.momentum
            share = tf.cast(count / (count - 1), moved.dtype)
            self.moving_variance.assign(before * self.momentum + moved * share)
        return y


def make(kind: str, o: dict[str, Any], rank: int) -> Any:
    """Return the layer, or the list of layers, of one entry."""
    more = {} if o.get("trained", True) else {"trainable": False}
    if kind == "conv":
        groups, dilation = o.get("groups", 1), o.get("dilation", 1)
        if groups > 1 and groups == o["inputs"] == o["outputs"]:
            return L.DepthwiseConv2D(
                o["kernel"], o.get("stride", 1), dilation_rate=dilation, use_bias=o.get("bias", True)
            )
        return CONVS[rank](
            o["outputs"],
            o["kernel"],
            o.get("stride", 1),
            dilation_rate=dilation,
            use_bias=o.get("bias", True),
            kernel_regularizer=o.get("regularizer"),
            **more,
        )
    if kind == "deconv":
        return L.Conv2DTranspose(o["outputs"], 2, 2)
    if kind == "bn":
        norm = L.BatchNormalization if o.get("biased") else UnbiasedNorm
        return norm(epsilon=o.get("eps", 1e-5), momentum=1 - o.get("momentum", 0.1))
    if kind == "ln":
        return L.LayerNormalization(epsilon=o.get("eps", 1e-5))
    if kind == "gn":
        return L.GroupNormalization(o["groups"], epsilon=o.get("eps", 1e-5))
    if kind == "dense":
        return L.Dense(o["outputs"], use_bias=o.get("bias", True), kernel_regularizer=o.get("regularizer"), **more)
    if kind == "embedding":
        return L.Embedding(o["words"], o["channels"])
    if kind in ("lstm", "gru"):
        cell = L.LSTM if kind == "lstm" else L.GRU
        more = {} if kind == "lstm" else {"reset_after": o.get("reset_after", True)}
        more |= {"recurrent_activation": o["gate"]} if "gate" in o else {}
        layer = cell(o["units"], return_sequences=True, **more)
        return L.Bidirectional(layer) if o.get("both") else layer
    if kind == "mha":
        return L.MultiHeadAttention(o["heads"], o["channels"] // o["heads"])
    if kind == "attention":
        return [L.Dense(o["channels"]) for _ in range(4)]
    if kind == "masked":
        cell = (L.LSTM if o["cell"] == "lstm" else L.GRU)(
            o["units"], return_sequences=True, zero_output_for_mask=o.get("zeros", True)
        )
        return [L.Embedding(o["words"], o["channels"]), cell]
    if kind == "convlstm":
        return L.ConvLSTM2D(o["units"], 3, padding="same", recurrent_activation=o.get("gate", "sigmoid"))
    if kind == "normed":
        part = Net(o["layers"], rank)
        part.norm = L.LayerNormalization(epsilon=1e-5)
        return part
    if kind == "dropout":
        return L.Dropout(o["rate"])
    if kind == "residual":
        return Net(o["layers"], rank)
    if kind in ("branches", "each", "chain"):
        return [Net(layers, rank) for layers in o["parts"]]
    return L.Identity()


def run(kind: str, o: dict[str, Any], part: Any, x: Any, rank: int, training: bool) -> Any:
    """Compute one layer."""
    if kind == "conv":
        before, after = o.get("pad", (0, 0))
        return part(padded(x, before, after, rank, o.get("mode", "zero")))
    if kind == "act":
        return ACTIVATIONS[o["name"]](x)
    if kind == "pool":
        return pooled(x, o, rank)
    if kind in ("lstm", "gru"):
        y = part(x)
        return y if o.get("sequence", True) else y[:, -1]
    if kind == "mha":
        return part(x, x, use_causal_mask=o.get("causal", False))
    if kind == "attention":
        return attention(part, x, o)
    if kind == "masked":
        lengths = tf.maximum(tf.reduce_sum(tf.cast(x < o["words"] // 2, tf.int32), 1), 1)
        return part[1](part[0](x), mask=tf.sequence_mask(lengths, x.shape[1]) if o.get("masked", True) else None)
    if kind == "normed":
        return x + part(part.norm(x), training=training) if o.get("pre") else part.norm(x + part(x, training=training))
    if kind == "residual":
        y = part(x, training=training) * o.get("scale", 1.0)
        return x + y if o.get("share", 1.0) else y
    if kind == "branches":
        ys = [branch(x, training=training) for branch in part]
        ys = [ys[i] for i in o.get("order", range(len(ys)))]
        return ops.concatenate(ys, -1) if o["how"] == "cat" else ys[0] * ys[1] if o["how"] == "mul" else sum(ys)
    if kind == "chain":
        for branch in part:
            x = branch(x, training=training)
        return x
    if kind == "each":
        ys = [branch(v, training=training) for branch, v in zip(part, x, strict=True)]
        ys = [ys[i] for i in o.get("order", range(len(ys)))]
        return tf.concat(ys, -1)
    if kind == "outputs":
        return {name: x * factor for name, factor in o["names"].items()}
    if kind == "flatten":
        return tf.reshape(ops.moveaxis(x, -1, 1) if o.get("first", True) and rank else x, (x.shape[0], -1))
    if kind == "global":
        return REDUCE[o["how"]](x, tuple(range(1, rank + 1)) if rank else 1)
    if kind == "reduce":
        return REDUCE[o["how"]](x, o["axis"])
    if kind == "softmax":
        return ops.softmax(x, {"channels": -1, "rows": 1}.get(o["axis"], o["axis"]))
    if kind == "scale":
        return x * o["factor"]
    if kind == "resize":
        return resized(x, o)
    if kind == "shuffle":
        return depth_to_space(x) if o.get("order", "channels") == "channels" else tf.nn.depth_to_space(x, 2)
    if kind == "tokens":
        return tf.reshape(x, (x.shape[0], -1, x.shape[-1]))
    if kind == "cast":
        return tf.cast(tf.cast(x, tf.float32), x.dtype)
    if kind == "clip":
        return tf.clip_by_value(x, o["low"], o["high"])
    if kind == "normalise":
        return (x - o["mean"]) / o["std"]
    if kind == "detach":
        return tf.stop_gradient(x)
    if kind == "std":
        n = x.shape[-1]
        variance = tf.math.reduce_variance(x, -1, keepdims=True) * (n / (n - o.get("ddof", 1)))
        return (x - tf.reduce_mean(x, -1, keepdims=True)) / (tf.sqrt(variance) + 1e-6)
    if kind == "turn":
        return x[..., ::-1] if o.get("turned", True) else x
    return part(x, training=training) if kind in ("bn", "dropout") else part(x)


def padded(x: Any, before: int, after: int, rank: int, mode: str) -> Any:
    """Pad all sides of a map."""
    if not before and not after:
        return x
    if mode == "edge":
        for axis in range(1, rank + 1):
            places = np.arange(-before, x.shape[axis] + after).clip(0, x.shape[axis] - 1)
            x = tf.gather(x, places, axis=axis)
        return x
    return tf.pad(x, [(0, 0), *[(before, after)] * rank, (0, 0)], PAD_MODES[mode])


def pooled(x: Any, o: dict[str, Any], rank: int) -> Any:
    """Pool a map."""
    before, after = o.get("pad", (0, 0))
    pads = [(0, 0), *[(before, after)] * rank, (0, 0)]
    kernel, stride = [o["kernel"]] * rank, [o["stride"]] * rank
    if o["how"] == "max":
        x = tf.pad(x, pads, constant_values=-1e300) if before or after else x
        return tf.nn.max_pool(x, kernel, stride, "VALID")
    y = tf.nn.avg_pool(tf.pad(x, pads), kernel, stride, "VALID")
    return y if o.get("count") else y / tf.nn.avg_pool(tf.pad(tf.ones_like(x), pads), kernel, stride, "VALID")


def attention(part: Any, x: Any, o: dict[str, Any]) -> Any:
    """Attend by einsum, over heads."""
    n, t, c = x.shape
    q, k, v = (tf.reshape(layer(x), (n, t, o["heads"], -1)) for layer in part[:3])
    if rotary := o.get("rotary"):
        q, k = (rotated(z, **rotary) for z in (q, k))
    q = q * (o.get("scale") or (c // o["heads"]) ** -0.5)
    scores = tf.einsum("nqhd,nkhd->nhqk", q, k)
    if o.get("causal"):
        scores = tf.where(tf.linalg.band_part(tf.ones((t, t), tf.bool), -1, 0), scores, tf.constant(-1e9, scores.dtype))
    shares = tf.nn.softmax(scores, o.get("axis", -1))
    return part[3](tf.reshape(tf.einsum("nhqk,nkhd->nqhd", shares, v), (n, t, c)))


def rotated(x: Any, base: float, halves: bool = True) -> Any:
    """Turn pairs of channels by their position, as complex numbers: positions before heads."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * base ** (-np.arange(half) / half)
    turns = tf.constant(np.exp(1j * angles)[:, None])
    one, two = tf.split(x, 2, -1) if halves else (x[..., ::2], x[..., 1::2])
    z = tf.complex(one, two) * tf.cast(turns, tf.complex128 if x.dtype == tf.float64 else tf.complex64)
    parts = tf.math.real(z), tf.math.imag(z)
    return tf.concat(parts, -1) if halves else tf.reshape(tf.stack(parts, -1), x.shape)


def resized(x: Any, o: dict[str, Any]) -> Any:
    """Resize a map to twice its size by two matrices: tf.image.resize knows no float64."""
    for axis in (1, 2):
        x = tf.tensordot(x, tf.constant(resize_matrix(x.shape[axis], o), x.dtype), [[axis], [1]])
        x = ops.moveaxis(x, -1, axis)
    return x


def resize_matrix(side: int, o: dict[str, Any]) -> Any:
    """Return the matrix (2 * side, side) of a resize along one axis."""
    out = np.arange(2 * side)
    matrix = np.zeros((2 * side, side))
    if o["how"] == "nearest":
        matrix[out, out // 2] = 1
        return matrix
    corners = o.get("corners", False)
    place = out * (side - 1) / (2 * side - 1) if corners else np.clip((out + 0.5) / 2 - 0.5, 0, None)
    low = np.minimum(np.floor(place).astype(int), side - 1)
    high = np.minimum(low + 1, side - 1)
    np.add.at(matrix, (out, low), 1 - (place - low))
    np.add.at(matrix, (out, high), place - low)
    return matrix


def depth_to_space(x: Any) -> Any:
    """Shuffle channels to pixels in PyTorch's order."""
    n, h, w, c = x.shape
    x = tf.transpose(tf.reshape(x, (n, h, w, c // 4, 2, 2)), (0, 1, 4, 2, 5, 3))
    return tf.reshape(x, (n, 2 * h, 2 * w, c // 4))
