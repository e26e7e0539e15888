"""The loss of some logits in Keras, which takes them for probabilities; and told what they are."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
z, y = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
default = keras.losses.SparseCategoricalCrossentropy(dtype="float64")
mended = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
print(json.dumps({"default": [float(default(y, z))], "mended": [float(mended(y, z))]}))
