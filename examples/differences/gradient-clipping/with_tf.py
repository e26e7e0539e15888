"""Two gradients clipped to 1 in Keras, each by its own norm and both as PyTorch does: the weights after one step."""

import json

import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
start = [rng.normal(size=n) for n in (3, 4)]
gradients = [tf.constant(size * rng.normal(size=w.shape)) for w, size in zip(start, (10.0, 0.1), strict=True)]


def step(gradients, **options):
    weights = [keras.Variable(w, dtype="float64") for w in start]
    keras.optimizers.SGD(2**-3, **options).apply(gradients, weights)
    return [w.numpy().tolist() for w in weights]


default = step(gradients, clipnorm=1.0)
# global_clipnorm=1.0 does the same to 1e-6, which is what PyTorch adds to the norm
factor = min(1.0 / (tf.linalg.global_norm(gradients) + 1e-6), 1.0)
mended = step([g * factor for g in gradients])
print(json.dumps({"default": default, "mended": mended}))
