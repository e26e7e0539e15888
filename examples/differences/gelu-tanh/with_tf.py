"""GELU in Keras: keras.ops.gelu approximates it by tanh; and exact."""

import json

import keras
import numpy as np
import tensorflow as tf

x = keras.ops.convert_to_tensor(np.linspace(-4, 4, 9))
by_tanh = keras.ops.gelu(x)

# keras.activations.gelu(x) would be off by 5e-9: its sqrt(1/2) goes through float32
exact = 0.5 * x * (1 + tf.math.erf(x * 0.5**0.5))
print(json.dumps({"default": by_tanh.numpy().tolist(), "mended": exact.numpy().tolist()}))
