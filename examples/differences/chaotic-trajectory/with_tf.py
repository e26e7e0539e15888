"""A small network trained in TensorFlow at too large a rate, and at a small one: the loss every ten steps."""

import json

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x, y = tf.constant(rng.normal(size=(60, 50))), tf.constant(rng.normal(size=(60, 1)))
start = [rng.normal(size=shape) / 4 for shape in ((50, 40), (40, 1))]


def train(rate):
    a, b = (tf.Variable(w) for w in start)
    losses = []
    for step in range(61):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.tanh(x @ a) @ b - y) ** 2)
        if step % 10 == 0:
            losses.append(float(loss))
        for w, gradient in zip((a, b), tape.gradient(loss, (a, b)), strict=True):
            w.assign_sub(rate * gradient)
    return losses


print(json.dumps({"default": train(0.6), "mended": train(0.01)}))
