"""A residual block in Keras whose sum was forgotten, and with it: both have the same weights."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
x, weight = (keras.ops.convert_to_tensor(rng.normal(size=shape)) for shape in ((2, 5), (5, 5)))


def forgotten(x):
    return keras.ops.relu(x @ weight)


def block(x):
    return keras.layers.Add(dtype="float64")([x, keras.ops.relu(x @ weight)])


print(json.dumps({"default": forgotten(x).numpy().tolist(), "mended": block(x).numpy().tolist()}))
