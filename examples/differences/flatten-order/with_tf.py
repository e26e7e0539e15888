"""A dense layer on flattened features in Keras: all channels of pixel 0, then of pixel 1; and in PyTorch's order."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(60, 6))  # images as N, C, H, W
x = x.transpose(0, 2, 3, 1)
flatten = keras.layers.Flatten(dtype="float64")
channels_first = keras.layers.Permute((3, 1, 2), dtype="float64")

default = keras.ops.matmul(flatten(x), weight)
mended = keras.ops.matmul(flatten(channels_first(x)), weight)
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
