"""Networks as tutorials write them, in Keras: the other half of pairs, some with a fault if asked."""

import keras
import tensorflow as tf
from keras import layers as L
from keras import ops


def bn(**k):
    return L.BatchNormalization(epsilon=1e-05, momentum=0.9, **k)


def convae(kernel=4):
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            L.Conv2D(6, 4, 2, padding="same", activation="relu"),
            L.Conv2D(8, 4, 2, padding="same", activation="relu"),
            L.Conv2DTranspose(6, kernel, 2, padding="same", activation="relu"),
            L.Conv2DTranspose(3, 4, 2, padding="same", activation="sigmoid"),
        ]
    )


def gelu(x):
    return ops.gelu(x, approximate=False)


def tcn():
    x = i = keras.Input((20, 3))
    for k in range(3):
        y = L.Conv1D(6, 3, dilation_rate=2**k, padding="causal", activation="relu")(x)
        x = L.Add()([y, L.Conv1D(6, 1)(x) if k == 0 else x])
    return keras.Model(i, L.Dense(2)(x[:, -1, :]))


def gandisc():
    sn = L.SpectralNormalization
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            sn(L.Conv2D(8, 4, 2, padding="same")),
            L.LeakyReLU(0.2),
            sn(L.Conv2D(12, 4, 2, padding="same")),
            L.LeakyReLU(0.2),
            L.Permute((3, 1, 2)),
            L.Flatten(),
            sn(L.Dense(1)),
        ]
    )


def dsep():
    x = i = keras.Input((15, 15, 3))
    x = L.ReLU(6.0)(bn()(L.Conv2D(6, 3, padding="same", use_bias=False)(x)))
    x = L.ReLU(6.0)(bn()(L.SeparableConv2D(8, 3, padding="same", use_bias=False)(x)))
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = L.ReLU(6.0)(bn()(L.SeparableConv2D(10, 3, 2, padding="valid", use_bias=False)(x)))
    return keras.Model(i, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def rope(x):
    d, t = (x.shape[-1], x.shape[1])
    f = 10000.0 ** (-ops.arange(0, d, 2, dtype=x.dtype) / d)
    a = ops.arange(t, dtype=x.dtype)[:, None] * f[None]
    cos, sin = (ops.cos(a)[None, :, None], ops.sin(a)[None, :, None])
    x1, x2 = ops.split(x, 2, -1)
    return ops.concatenate([x1 * cos - x2 * sin, x2 * cos + x1 * sin], -1)


class Llama(keras.Model):
    def __init__(self):
        super().__init__()
        self.emb = L.Embedding(25, 16)
        self.n1, self.n2, self.nf = (L.RMSNormalization(epsilon=1e-06) for _ in range(3))
        self.q, self.k, self.v, self.o = (L.Dense(16, use_bias=False) for _ in range(4))
        self.gate, self.up, self.down, self.head = (
            L.Dense(24, use_bias=False, activation="silu"),
            L.Dense(24, use_bias=False),
            L.Dense(16, use_bias=False),
            L.Dense(25, use_bias=False),
        )

    def call(self, ids):
        x = self.emb(ids)
        t = ids.shape[1]
        y = self.n1(x)
        q, k, v = (ops.reshape(part(y), (-1, t, 4, 4)) for part in (self.q, self.k, self.v))
        q, k = (rope(q), rope(k))
        w = ops.einsum("nqhd,nkhd->nhqk", q, k) * 0.5
        w = ops.where(ops.tril(ops.ones((t, t), "bool")), w, -1e30)
        y = ops.reshape(ops.einsum("nhqk,nkhd->nqhd", ops.softmax(w, -1), v), (-1, t, 16))
        x = x + self.o(y)
        y = self.n2(x)
        x = x + self.down(self.gate(y) * self.up(y))
        return self.head(self.nf(x))


def wavenet():
    i = keras.Input((18, 1))
    x = L.Conv1D(8, 1)(i)
    skips = []
    for k in range(3):
        y = L.Conv1D(16, 2, dilation_rate=2**k, padding="causal")(x)
        a, b = ops.split(y, 2, -1)
        y = L.Multiply()([L.Activation("tanh")(a), L.Activation("sigmoid")(b)])
        skips.append(L.Conv1D(8, 1)(y))
        x = L.Add()([x, L.Conv1D(8, 1)(y)])
    y = L.ReLU()(L.Add()(skips))
    return keras.Model(i, L.Conv1D(5, 1)(L.Conv1D(8, 1, activation="relu")(y)))


class Caps(keras.Model):
    def __init__(self):
        super().__init__()
        self.c1, self.prim = (L.Conv2D(6, 5, activation="relu"), L.Conv2D(8, 5, 2))
        self.w = self.add_weight(shape=(3, 32, 5, 4), initializer="random_normal", name="w")

    def squash(self, x):
        n2 = ops.sum(ops.square(x), -1, keepdims=True)
        return n2 / (1 + n2) * x / ops.sqrt(n2 + 1e-08)

    def call(self, x):
        y = self.prim(self.c1(x))
        y = ops.reshape(ops.transpose(ops.reshape(y, (-1, 16, 2, 4)), (0, 2, 1, 3)), (-1, 32, 4))
        y = self.squash(y)
        u = ops.einsum("kiod,nid->nkio", self.w, y)
        b = ops.zeros_like(u[..., 0])
        for r in range(3):
            v = self.squash(ops.sum(ops.softmax(b, 1)[..., None] * u, 2))
            if r < 2:
                b = b + ops.sum(u * v[:, :, None], -1)
        return ops.norm(v, axis=-1)


def srnet(right=True):
    i = keras.Input((8, 8, 3))
    x = L.Conv2D(8, 3, padding="same", activation="tanh")(L.Conv2D(8, 5, padding="same", activation="tanh")(i))
    x = L.Conv2D(12, 3, padding="same")(x)
    if right:
        x = L.Lambda(
            lambda t: tf.nn.depth_to_space(tf.gather(t, [c * 4 + p for p in range(4) for c in range(3)], axis=-1), 2)
        )(x)
    else:
        x = L.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(x)
    return keras.Model(i, x)


def tagger(right=True):
    i = keras.Input((8,), dtype="int32")
    x = L.Embedding(15, 5)(i)
    if right:
        x = L.Bidirectional(L.GRU(4, return_sequences=True))(x)
    else:
        x = L.Concatenate()([L.GRU(4, return_sequences=True)(x), L.GRU(4, return_sequences=True, go_backwards=True)(x)])
    return keras.Model(i, L.Dense(6)(x))


def vae():
    x, noise = (keras.Input((12,), name="x"), keras.Input((3,), name="noise"))
    h = L.Dense(10, activation="softplus")(x)
    mu, lv = (L.Dense(3)(h), L.Dense(3)(h))
    z = mu + noise * ops.exp(0.5 * lv)
    return keras.Model(
        [x, noise],
        {"recon": L.Dense(12, activation="sigmoid")(L.Dense(10, activation="softplus")(z)), "mu": mu, "logvar": lv},
    )


def ncf():
    u, i = (keras.Input((), dtype="int32", name="user"), keras.Input((), dtype="int32", name="item"))
    d = L.Dot(-1)([L.Embedding(11, 6)(u), L.Embedding(17, 6)(i)])
    return keras.Model([u, i], L.Activation("sigmoid")(L.Add()([d, L.Embedding(11, 1)(u), L.Embedding(17, 1)(i)])))


class PointNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.t1, self.t2, self.m1, self.m2, self.fc = (
            L.Dense(8, activation="relu"),
            L.Dense(9),
            L.Conv1D(8, 1, activation="relu"),
            L.Conv1D(16, 1, activation="relu"),
            L.Dense(4),
        )

    def call(self, points):
        t = ops.reshape(self.t2(ops.max(self.t1(points), 1)), (-1, 3, 3)) + ops.eye(3, dtype=points.dtype)
        return self.fc(ops.max(self.m2(self.m1(ops.matmul(points, t))), 1))


def textcnn():
    i = keras.Input((12,), dtype="int32")
    x = L.Embedding(30, 6)(i)
    y = [L.ReLU()(L.GlobalMaxPooling1D()(L.Conv1D(4, k)(x))) for k in (2, 3, 4)]
    return keras.Model(i, L.Dense(3)(L.Concatenate()(y)))


def highway():
    i = keras.Input((6,))
    x = L.Dense(8)(i)
    for _ in range(3):
        y, g = (L.Dense(8, activation="tanh")(x), L.Dense(8, activation="sigmoid")(x))
        x = y * g + x * (1 - g)
    return keras.Model(i, L.Dense(2)(x))


class Cross(keras.Model):
    def __init__(self, inverted=False):
        super().__init__()
        self.lat = self.add_weight(shape=(3, 16), initializer="random_normal", name="lat")
        self.att, self.fc, self.inp, self.inverted = (L.MultiHeadAttention(4, 4), L.Dense(2), L.Dense(16), inverted)

    def call(self, x, keep):
        y = self.inp(x)
        q = ops.broadcast_to(self.lat[None], (x.shape[0], 3, 16))
        m = keep[:, None, :]
        if self.inverted:
            m = ops.concatenate([m[:, :, :1], ops.logical_not(m[:, :, 1:])], -1)
        return self.fc(ops.mean(self.att(q, y, attention_mask=m), 1))


class MoE(keras.Model):
    def __init__(self):
        super().__init__()
        self.gate = L.Dense(4, activation="softmax")
        r = "random_normal"
        self.w1, self.b1, self.w2 = (
            self.add_weight(shape=(4, 6, 8), initializer=r, name="w1"),
            self.add_weight(shape=(4, 8), initializer=r, name="b1"),
            self.add_weight(shape=(4, 8, 3), initializer=r, name="w2"),
        )

    def call(self, x):
        h = ops.gelu(ops.einsum("ni,eio->neo", x, self.w1) + self.b1, approximate=False)
        return ops.sum(ops.einsum("neo,eoc->nec", h, self.w2) * self.gate(x)[..., None], 1)


class FNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.inp, self.n1, self.n2, self.f1, self.f2, self.out = (
            L.Dense(8),
            L.LayerNormalization(epsilon=1e-05),
            L.LayerNormalization(epsilon=1e-05),
            L.Dense(12),
            L.Dense(8),
            L.Dense(2),
        )

    def call(self, x):
        x = self.inp(x)
        c = tf.cast(x, tf.complex128)
        x = self.n1(x + tf.math.real(tf.signal.fft2d(c)))
        x = self.n2(x + self.f2(gelu(self.f1(x))))
        return self.out(x[:, 0])


class WDense(L.Layer):
    def __init__(self, n, eps=0.0, **k):
        super().__init__(**k)
        self.n, self.eps = (n, eps)

    def build(self, shape):
        self.g = self.add_weight(shape=(self.n, 1), initializer="ones", name="g")
        self.v = self.add_weight(shape=(self.n, shape[-1]), initializer="random_normal", name="v")
        self.bias = self.add_weight(shape=(self.n,), initializer="zeros", name="bias")

    def call(self, x):
        w = self.g * self.v / (ops.norm(self.v, axis=1, keepdims=True) + self.eps)
        return ops.matmul(x, ops.transpose(w)) + self.bias


def wnorm(eps=0.0):
    return keras.Sequential(
        [keras.Input((6,)), WDense(9, eps), L.Activation("elu"), L.Dense(9, activation="elu"), WDense(3)]
    )


class Places(keras.Model):
    def __init__(self, start=0):
        super().__init__()
        self.words, self.places, self.start = L.Embedding(19, 8), L.Embedding(12, 8), start
        self.norm, self.out = L.LayerNormalization(epsilon=1e-5), L.Dense(4)

    def call(self, ids):
        x = self.norm(self.words(ids) + self.places(tf.range(ids.shape[1]) + self.start))
        return self.out(tf.reduce_mean(tf.tanh(x), 1))


class Asking(keras.Model):
    def __init__(self, masked=True):
        super().__init__()
        self.source, self.target, self.masked = L.Embedding(20, 16), L.Embedding(21, 16), masked
        self.att, self.out = L.MultiHeadAttention(4, 4), L.Dense(5)

    def call(self, source, target, keep):
        memory, x = self.source(source), self.target(target)
        return self.out(x + self.att(x, memory, attention_mask=keep[:, None] if self.masked else None))


class Nodes(keras.Model):
    def __init__(self, rows=False):
        super().__init__()
        self.one, self.two, self.out = L.Dense(8, use_bias=False), L.Dense(6, use_bias=False), L.Dense(3)
        self.rows = rows

    def call(self, nodes, edges):
        linked = tf.logical_or(tf.logical_or(edges, tf.transpose(edges, (0, 2, 1))), tf.eye(edges.shape[1]) > 0)
        linked = tf.cast(linked, nodes.dtype)
        degrees = tf.reduce_sum(linked, -1)[:, :, None]
        linked = linked / degrees if self.rows else linked / tf.sqrt(degrees * tf.transpose(degrees, (0, 2, 1)))
        return self.out(tf.reduce_mean(linked @ self.two(tf.nn.relu(linked @ self.one(nodes))), 1))
