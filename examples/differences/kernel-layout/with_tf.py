"""A convolution in Keras."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, kernel = rng.normal(size=(1, 4, 6, 5)).transpose(0, 2, 3, 1), rng.normal(size=(3, 3, 4, 2))  # H, W, I, O
conv = keras.layers.Conv2D(2, 3, use_bias=False, dtype="float64")
conv.build(x.shape)
conv.kernel.assign(kernel)

y = conv(x).numpy().transpose(0, 3, 1, 2).tolist()
print(json.dumps({"default": y, "mended": y}))
