"""A depthwise convolution of 3 channels by 2 filters each in Keras."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, kernel = rng.normal(size=(1, 3, 6, 5)).transpose(0, 2, 3, 1), rng.normal(size=(3, 3, 3, 2))  # H, W, I, M
conv = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, dtype="float64")
conv.build(x.shape)
conv.kernel.assign(kernel)

y = conv(x).numpy().transpose(0, 3, 1, 2).tolist()
print(json.dumps({"default": y, "mended": y}))
