"""Average pooling in Keras: at the border the mean of what is there; and with zeros that count."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(2, 1, size=(1, 2, 4, 5)).transpose(0, 2, 3, 1)
default = keras.layers.AveragePooling2D(3, strides=1, padding="same")(x)

padded = keras.layers.ZeroPadding2D(1)(x)
mended = keras.layers.AveragePooling2D(3, strides=1)(padded)
default, mended = (y.numpy().transpose(0, 3, 1, 2).tolist() for y in (default, mended))
print(json.dumps({"default": default, "mended": mended}))
