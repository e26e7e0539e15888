"""A product in Keras by a layer that was made before the policy became float64, and by one made after."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, kernel = rng.normal(size=(4, 20)), rng.normal(size=(3, 20)).T
early = keras.layers.Dense(3, use_bias=False)  # float32 it is, and stays
keras.config.set_dtype_policy("float64")
late = keras.layers.Dense(3, use_bias=False)
for layer in (early, late):
    layer.build((None, 20))
    layer.set_weights([kernel])

default = keras.ops.cast(early(x), "float64")
print(json.dumps({"default": default.numpy().tolist(), "mended": late(x).numpy().tolist()}))
