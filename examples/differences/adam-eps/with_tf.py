"""Adam in Keras on gradients that shrink from weight to weight, and with PyTorch's eps: the weights after each step."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
start = rng.normal(size=5)
gradients = rng.normal(size=(4, 5)) * 10.0 ** np.arange(-3, -8, -1)


def train(*, mended, **options):
    w = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.Adam(2**-10, **options)
    weights = []
    for t, gradient in enumerate(gradients, start=1):
        if mended:  # what Keras adds before the bias correction to add 1e-8 after it
            optimizer.epsilon = 1e-8 * (1 - optimizer.beta_2**t) ** 0.5
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [w])
        weights.append(w.numpy().tolist())
    return weights


# betas that float32 holds: Keras corrects the bias with float32 betas, which alone is 7e-6 of the first step
mended = train(mended=True, beta_1=0.875, beta_2=1 - 2**-10)
print(json.dumps({"default": train(mended=False), "mended": mended}))
