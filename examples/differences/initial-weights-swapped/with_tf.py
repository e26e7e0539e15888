"""A trained BatchNorm in Keras, its tensors found by position in a list of another order, and by name."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
rng = np.random.default_rng(0)
x = rng.normal(size=(2, 4, 3, 3)).transpose(0, 2, 3, 1)
names = ("weight", "bias", "running_mean", "running_var")
tensors = {name: rng.uniform(0.5, 1.5, 4) for name in names}
norm = keras.layers.BatchNormalization(epsilon=1e-5)
norm.build(x.shape)

norm.set_weights([tensors[name] for name in ("running_var", "bias", "running_mean", "weight")])
default = norm(x).numpy().transpose(0, 3, 1, 2)
norm.gamma.assign(tensors["weight"])
norm.moving_variance.assign(tensors["running_var"])
mended = norm(x).numpy().transpose(0, 3, 1, 2)
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
