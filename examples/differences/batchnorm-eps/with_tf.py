"""BatchNorm with Keras's epsilon and with PyTorch's, in training and in inference."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
x = np.random.default_rng(0).normal(size=(5, 4, 2, 2)).transpose(0, 2, 3, 1)
x[..., 0] *= 0.03  # a channel with a variance of about 0.001
default = keras.layers.BatchNormalization(momentum=1.0)  # epsilon=1e-3; its moving statistics stay 0 and 1
mended = keras.layers.BatchNormalization(momentum=1.0, epsilon=1e-5)


def outputs(norm):
    return [norm(x, training=training).numpy().transpose(0, 3, 1, 2).tolist() for training in (True, False)]


print(json.dumps({"default": outputs(default), "mended": outputs(mended)}))
