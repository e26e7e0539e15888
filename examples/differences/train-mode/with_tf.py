"""A base that is called in inference mode, under a head that trains in Keras."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
rng = np.random.default_rng(0)
x, kernel = rng.normal(2, 3, size=(5, 4)), rng.normal(size=(3, 4)).T
base, head = keras.layers.BatchNormalization(epsilon=1e-5), keras.layers.Dense(3, use_bias=False)
head.build((None, 4))
head.set_weights([kernel])

y = head(base(x, training=False), training=True).numpy().tolist()  # the mode is an argument of each call
print(json.dumps({"default": y, "mended": y}))
