"""SGD in Keras with numbers that float32 does not hold, and written by hand: the weights after each step."""

import json

import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
start, gradients = rng.normal(size=5), rng.normal(size=(4, 5))

w, optimizer = keras.Variable(start, dtype="float64"), keras.optimizers.SGD(0.1, momentum=0.9)
default = []
for gradient in gradients:
    optimizer.apply([tf.constant(gradient)], [w])
    default.append(w.numpy().tolist())

w, buffer = tf.Variable(start), tf.Variable(np.zeros(5))
rate, momentum = tf.constant(0.1, tf.float64), tf.constant(0.9, tf.float64)
mended = []
for gradient in gradients:
    w.assign_sub(rate * buffer.assign(momentum * buffer + gradient))
    mended.append(w.numpy().tolist())
print(json.dumps({"default": default, "mended": mended}))
