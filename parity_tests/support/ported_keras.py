"""What ported_torch.py has, as somebody else writes it in Keras; `bad` is the one difference of each."""

from typing import Any

import keras
import numpy as np
from keras import layers as L
from keras import ops


def time_embedding(t: Any, dim: int, bad: bool) -> Any:
    half = dim // 2
    freqs = ops.exp(-np.log(10000.0) * ops.arange(half, dtype=t.dtype) / (half - 1))
    angles = ops.expand_dims(t, -1) * ops.expand_dims(freqs, 0)
    parts = [ops.sin(angles), ops.cos(angles)]
    return ops.concatenate(parts[::-1] if bad else parts, axis=-1)


def norm(x: Any) -> Any:
    return L.Activation("swish")(L.GroupNormalization(groups=4, epsilon=1e-5)(x))


def residual_block(x: Any, t: Any, width: int) -> Any:
    residual = x if x.shape[-1] == width else L.Conv2D(width, kernel_size=1)(x)
    x = L.Conv2D(width, kernel_size=3, padding="same")(norm(x))
    x = L.Add()([x, L.Dense(width)(L.Activation("swish")(t))[:, None, None, :]])
    return L.Add()([L.Conv2D(width, kernel_size=3, padding="same")(norm(x)), residual])


class AttentionBlock(L.Layer):
    def __init__(self, units: int, heads: int = 2) -> None:
        super().__init__()
        self.units, self.heads, self.norm = units, heads, L.GroupNormalization(groups=4, epsilon=1e-5)
        self.query, self.key, self.value, self.proj = (L.Dense(units) for _ in range(4))

    def call(self, inputs: Any) -> Any:
        n, h, w = ops.shape(inputs)[0], inputs.shape[1], inputs.shape[2]
        d, x = self.units // self.heads, self.norm(inputs)
        q, k, v = (ops.reshape(f(x), (n, h * w, self.heads, d)) for f in (self.query, self.key, self.value))
        shares = ops.softmax(ops.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(d), axis=-1)
        return inputs + self.proj(ops.reshape(ops.einsum("bhij,bjhd->bihd", shares, v), (n, h, w, self.units)))


def diffusion(bad: bool = False, c: int = 8, times: int = 16) -> keras.Model:
    image, t = keras.Input((8, 8, 3), name="x"), keras.Input((), name="t")
    e = L.Dense(times, activation="swish")(L.Lambda(lambda z: time_embedding(z, c, bad))(t))
    e = L.Dense(times)(e)
    a = residual_block(L.Conv2D(c, 3, padding="same")(image), e, c)
    b = residual_block(L.Conv2D(c, 3, strides=2)(L.ZeroPadding2D(1)(a)), e, 2 * c)
    x = AttentionBlock(2 * c)(residual_block(b, e, 2 * c))
    x = residual_block(x, e, 2 * c)
    x = residual_block(L.Concatenate()([x, b]), e, c)
    x = L.Conv2D(c, 3, padding="same")(L.UpSampling2D(2, interpolation="nearest")(x))
    x = residual_block(L.Concatenate()([x, a]), e, c)
    return keras.Model([image, t], L.Conv2D(3, 3, padding="same")(norm(x)))


def crnn(bad: bool = False, classes: int = 7) -> keras.Model:
    image = keras.Input((8, 12, 1), name="image")
    x = L.MaxPooling2D((2, 2))(L.Conv2D(6, (3, 3), activation="relu", padding="same")(image))
    x = L.Conv2D(8, (3, 3), padding="same", use_bias=False)(x)
    x = L.MaxPooling2D((2, 1))(L.ReLU()(L.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)))
    x = L.Permute((2, 1, 3) if bad else (2, 3, 1))(x)  # rows before channels, or channels before rows
    x = L.Bidirectional(L.LSTM(5, return_sequences=True))(L.Reshape((6, 2 * 8))(x))
    return keras.Model(image, L.Activation("log_softmax")(L.Dense(classes)(x)))


class Table(keras.Model):
    def __init__(self, bad: bool = False, d: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.bad, self.heads, self.offsets = bad, heads, np.array([0, 4, 10])
        self.emb = L.Embedding(13, d)
        self.weight = self.add_weight(shape=(6, d), initializer="random_normal", name="weight")
        self.bias = self.add_weight(shape=(8, d), initializer="random_normal", name="bias")
        self.q, self.k, self.v, self.o = ([L.Dense(d) for _ in range(2)] for _ in range(4))
        self.norms = [L.LayerNormalization(epsilon=1e-5) for _ in range(4)]
        self.up, self.down = [L.Dense(4 * d) for _ in range(2)], [L.Dense(d) for _ in range(2)]
        self.head = L.Dense(2)

    def attend(self, i: int, x: Any) -> Any:
        n, t, d = x.shape
        parts = (ops.reshape(f[i](x), (n, t, self.heads, d // self.heads)) for f in (self.q, self.k, self.v))
        q, k, v = (ops.transpose(z, (0, 2, 1, 3)) for z in parts)
        shares = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (d // self.heads) ** -0.5)
        return self.o[i](ops.reshape(ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3)), (n, t, d)))

    def call(self, num: Any, cat: Any) -> Any:
        x = ops.concatenate([ops.ones_like(num[:, :1]), num], 1)[..., None] * self.weight
        x = ops.concatenate([x, self.emb(cat + self.offsets)], 1) + ops.pad(self.bias, [[1, 0], [0, 0]])
        for i in range(2):
            x = x + self.attend(i, self.norms[0](x) if i else x)
            a, gate = ops.split(self.up[i](self.norms[1 + i](x)), 2, axis=-1)
            gate = ops.gelu(gate, approximate=True) if self.bad and i else ops.relu(gate)
            x = x + self.down[i](a * gate)
        return self.head(ops.relu(self.norms[3](x[:, 0])))
