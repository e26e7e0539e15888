"""Two losses in Keras: with class weights, and the sparse one, which knows no smoothing; and both as in PyTorch."""

import json

import keras
import numpy as np

rng = np.random.default_rng(0)
z, y, weights = rng.normal(size=(6, 3)), rng.integers(0, 3, 6), rng.uniform(0.5, 2, 3)

options = {"from_logits": True, "dtype": "float64"}
sparse = keras.losses.SparseCategoricalCrossentropy(**options)
weighed = sparse(y, z, sample_weight=weights[y])  # divided by the number of samples
default = [float(weighed), float(sparse(y, z))]

smoothing = keras.losses.CategoricalCrossentropy(label_smoothing=0.1, **options)
mended = [float(weighed) * len(y) / weights[y].sum(), float(smoothing(np.eye(3)[y], z))]
print(json.dumps({"default": default, "mended": mended}))
