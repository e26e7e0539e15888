"""A fresh dense layer in Keras: deviation of its kernel and largest bias; and from numbers that NumPy drew."""

import json

import keras
import numpy as np

rng, bound = np.random.default_rng(0), 512**-0.5
weight, bias = rng.uniform(-bound, bound, (10, 512)), rng.uniform(-bound, bound, 10)

keras.utils.set_random_seed(0)
layer = keras.layers.Dense(10, dtype="float64")
layer.build((None, 512))
default = [layer.kernel.numpy().std(), abs(layer.bias.numpy()).max()]

layer.set_weights([weight.T, bias])
mended = [layer.kernel.numpy().std(), abs(layer.bias.numpy()).max()]
print(json.dumps({"default": default, "mended": mended}))
