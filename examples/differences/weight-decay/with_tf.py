"""SGD with momentum in Keras, with its own weight decay and with PyTorch's: the weights after each step."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
start, gradients = rng.normal(size=5), rng.normal(size=(4, 5))


def train(*, beside, in_gradient):
    w = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.SGD(2**-3, momentum=0.875, weight_decay=beside)  # numbers that float32 holds
    weights = []
    for gradient in gradients:
        optimizer.apply([gradient + in_gradient * w.value], [w])
        weights.append(w.numpy().tolist())
    return weights


default, mended = train(beside=2**-7, in_gradient=0.0), train(beside=None, in_gradient=2**-7)
print(json.dumps({"default": default, "mended": mended}))
