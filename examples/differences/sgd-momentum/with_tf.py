"""SGD with momentum in Keras while the learning rate drops, and with PyTorch's buffer: the weights after each step."""

import json

import keras
import numpy as np

RATES = (2**-3, 2**-3, 2**-6, 2**-6)
rng = np.random.default_rng(0)
start, gradients = rng.normal(size=5), rng.normal(size=(4, 5))


def train(*, mended):
    w = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.SGD(RATES[0], momentum=0.875)  # numbers that float32 holds
    optimizer.build([w])
    weights = []
    for before, rate, gradient in zip(RATES[:1] + RATES[:-1], RATES, gradients, strict=True):
        optimizer.learning_rate = rate
        if mended:
            for buffer in optimizer.momentums:
                buffer.assign(buffer * (rate / before))
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [w])
        weights.append(w.numpy().tolist())
    return weights


print(json.dumps({"default": train(mended=False), "mended": train(mended=True)}))
