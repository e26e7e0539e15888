"""A user's module: the networks of their_torch.py in Keras, with its stock layers and other names."""

import keras
from keras import layers as L

ALIKE = {"epsilon": 1e-5, "momentum": 0.9}  # PyTorch's BatchNorm


def cnn(*, flat=True, **norm):
    """A plain Sequential with Keras's defaults, activations inside of layers."""
    return keras.Sequential(
        [
            *(L.Conv2D(6, 3, padding="same"), L.BatchNormalization(**norm), L.ReLU(), L.MaxPooling2D(2)),
            *(L.Conv2D(7, 3, padding="same", use_bias=False), L.BatchNormalization(**norm), L.Activation("relu")),
            *([L.MaxPooling2D(2), L.Flatten()] if flat else [L.GlobalAveragePooling2D()]),
            *(L.Dense(8, activation="relu"), L.Dropout(0.5), L.Dense(5)),
        ]
    )


def pooled():
    """The same without the flattening, and with PyTorch's BatchNorm."""
    return cnn(flat=False, **ALIKE)


def augmented():
    """The same behind an augmentation and a normalisation that has seen no data, and changes nothing."""
    return keras.Sequential([L.RandomFlip(), L.Normalization(), *pooled().layers])


def ambiguous():
    """A model whose layers bear one name."""

    class Blocks(L.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [L.Conv2D(3, 1, name="part") for _ in range(2)]

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    return keras.Sequential([Blocks(), L.GlobalAveragePooling2D(), L.Dense(5)])


class Net(keras.Model):
    """The layers of `pooled` again, made in another order than they run, in lists, and functions between them."""

    def __init__(self, **options):
        super().__init__()
        self.last, self.hidden = L.Dense(5, name="head", **options), L.Dense(8, activation="relu")
        self.norms = [L.BatchNormalization(**ALIKE) for _ in range(2)]
        self.convs = [L.Conv2D(6, 3, padding="same", name="one"), L.Conv2D(7, 3, padding="same", use_bias=False)]
        self.noise, self.pool = L.GaussianNoise(0.3), L.MaxPooling2D(2)

    def call(self, x, training=False):
        x = self.pool(keras.ops.relu(self.norms[0](self.convs[0](x))))
        x = keras.ops.relu(self.norms[1](self.convs[1](x)))
        x = self.noise(self.hidden(keras.ops.mean(x, (1, 2))))
        return self.last(keras.random.dropout(x, 0.4) if training else x)


def float32():
    """A last layer that is float32 whatever the policy says."""
    return Net(dtype="float32")


class Dead(keras.Model):
    """Its last units are off, too; what goes in before is another function, and no result shows it."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = L.Conv2D(6, 3, padding="same"), L.Dense(5)

    def call(self, x):
        x = keras.ops.relu(keras.ops.sigmoid(self.conv(x)) - 2)
        return self.fc(keras.ops.mean(x, (1, 2)))


def capped():
    """The same with a limit that is farther."""
    cap = L.Lambda(lambda x: keras.ops.clip(x, -9, 9))
    return keras.Sequential([L.Conv2D(6, 3), cap, L.GlobalAveragePooling2D(), L.Dense(5)])


def kernels():
    """Every kind of kernel: depthwise with two outputs an input, grouped, transposed."""
    return keras.Sequential(
        [
            *(L.DepthwiseConv2D(3, depth_multiplier=2), L.Conv2D(6, 3, groups=2)),
            *(L.Conv2DTranspose(8, 2, use_bias=False), L.GlobalAveragePooling2D(), L.Dense(5)),
        ]
    )


def channels_first():
    """The same for images (N, C, H, W)."""
    turned = keras.Sequential([keras.Input((3, 16, 20)), L.Permute((2, 3, 1))])
    return keras.Sequential([turned, *kernels().layers])


def twins():
    """Two convolutions that only their names tell apart, run in the other order."""
    x = keras.Input((16, 20, 3))
    right, left = L.Conv2D(5, 3, name="b")(x), L.Conv2D(5, 3, name="a")(x)
    return keras.Model(x, L.GlobalAveragePooling2D()(L.Multiply()([right, left])))


class Scale(L.Layer):
    """A factor for each channel."""

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=shape[-1:], initializer="ones")

    def call(self, x):
        return self.scale * x


def strided(first=2):
    """The block of their_torch.py, whose first convolution has the stride."""
    pads = [] if first == 2 else [L.ZeroPadding2D(1)]
    padding = "same" if first == 2 else "valid"
    return keras.Sequential(
        [
            *(L.Conv2D(6, 1, strides=first, use_bias=False, name="one"), *pads),
            *(L.Conv2D(6, 3, strides=2 // first, padding=padding, use_bias=False, name="three"), L.ReLU()),
            *(L.GlobalAveragePooling2D(), Scale(name="scale"), L.Dense(5, name="head")),
        ]
    )


def alike():
    """The same with the stride where PyTorch has it."""
    return strided(first=1)
