"""SGD in Keras without the flag that PyTorch's recipe has, and with it: the weights after each step."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
start, gradients = rng.normal(size=5), rng.normal(size=(4, 5))


def train(*, nesterov):
    w = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.SGD(2**-3, momentum=0.875, nesterov=nesterov)  # numbers that float32 holds
    weights = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [w])
        weights.append(w.numpy().tolist())
    return weights


print(json.dumps({"default": train(nesterov=False), "mended": train(nesterov=True)}))
