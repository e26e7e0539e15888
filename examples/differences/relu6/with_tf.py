"""ReLU in Keras, and with the limit that MobileNetV2 has."""

import json

import keras
import numpy as np

x = np.random.default_rng(0).normal(0, 6, size=9)
relu = keras.layers.ReLU(dtype="float64")
relu6 = keras.layers.ReLU(6.0, dtype="float64")
print(json.dumps({"default": relu(x).numpy().tolist(), "mended": relu6(x).numpy().tolist()}))
