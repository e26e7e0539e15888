"""Max pooling in Keras behind ZeroPadding2D, as ports of PyTorch networks have it; and padded with minus infinity."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(-1, 1, size=(1, 2, 6, 5)).transpose(0, 2, 3, 1)
pool = keras.layers.MaxPooling2D(3, strides=2)
default = pool(keras.layers.ZeroPadding2D(1)(x))

padded = keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
mended = pool(padded)
default, mended = (y.numpy().transpose(0, 3, 1, 2).tolist() for y in (default, mended))
print(json.dumps({"default": default, "mended": mended}))
