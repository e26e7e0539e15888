"""LayerNorm with Keras's epsilon and with PyTorch's."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(size=(2, 3, 8))
x[0] *= 0.03  # tokens with a variance of about 0.001
default = keras.layers.LayerNormalization()(x).numpy()  # epsilon=1e-3
mended = keras.layers.LayerNormalization(epsilon=1e-5)(x).numpy()
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
