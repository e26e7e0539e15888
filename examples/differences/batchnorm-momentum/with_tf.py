"""BatchNorm's running mean after one batch, as Keras moves it, and as PyTorch does."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(2, 3, size=(5, 4, 2, 2)).transpose(0, 2, 3, 1)
norm = keras.layers.BatchNormalization()  # momentum=0.99: the share of the old
norm(x, training=True)
mended = keras.layers.BatchNormalization(momentum=1 - 0.1)
mended(x, training=True)
print(json.dumps({"default": norm.moving_mean.numpy().tolist(), "mended": mended.moving_mean.numpy().tolist()}))
