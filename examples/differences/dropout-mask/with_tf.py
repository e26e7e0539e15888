"""Dropout in Keras with seed 0, and with a mask that NumPy drew."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, mask = keras.ops.convert_to_tensor(rng.normal(size=12)), keras.ops.cast(rng.random(12) >= 0.5, "float64")

dropout = keras.layers.Dropout(0.5, seed=0, dtype="float64")
default = dropout(x, training=True)
mended = x * mask / (1 - 0.5)
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
