"""A BatchNorm that Keras users have frozen, in a training step: its output and its running mean."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(2, 3, size=(5, 4, 2, 2)).transpose(0, 2, 3, 1)
norm = keras.layers.BatchNormalization(epsilon=1e-5)
norm.trainable = False

y = norm(x, training=True).numpy().transpose(0, 3, 1, 2)  # in inference mode all the same
result = [y.flatten().tolist(), norm.moving_mean.numpy().tolist()]
print(json.dumps({"default": result, "mended": result}))
