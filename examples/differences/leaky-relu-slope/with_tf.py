"""Leaky ReLU in Keras: three tenths of what is negative; and a hundredth."""

import json

import keras
import numpy as np

x = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=7))
leaky = keras.layers.LeakyReLU(dtype="float64")
default = leaky(x)

# LeakyReLU(0.01) would leave 2e-8 of each negative value: TensorFlow keeps the slope as a float32
mended = keras.ops.where(x > 0, x, 0.01 * x)
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
