"""BatchNorm's running variance after one batch, as Keras keeps it, and mended."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(2, 3, size=(5, 4, 2, 2)).transpose(0, 2, 3, 1)
norm = keras.layers.BatchNormalization(momentum=0.9)
norm(x, training=True)
default = norm.moving_variance.numpy()

n = x.size // x.shape[-1]
mended = 0.9 + (default - 0.9) * n / (n - 1)  # 0.9 is what is left of the variance of 1 that the layer starts with
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
