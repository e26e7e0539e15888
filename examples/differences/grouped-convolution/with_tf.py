"""A grouped convolution in Keras, and by tf.nn.conv2d: equal numbers, but Keras goes through XLA on a CPU."""

import json
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)  # float32, for TensorFlow's kernels know groups up to there: they agree to 1e-5
x = tf.constant(rng.normal(size=(4, 16, 14, 14)).astype("float32").transpose(0, 2, 3, 1))
kernel = tf.constant(rng.normal(size=(16, 2, 3, 3)).astype("float32").transpose(2, 3, 1, 0))  # 8 groups


def measure(convolve):
    times = []
    for _ in range(3):
        start = perf_counter()
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = convolve(x, kernel)
            loss = tf.reduce_mean(tf.square(y))
        gradient = tape.gradient(loss, kernel).numpy()
        times.append(perf_counter() - start)
    return [y[0, 0, 0].numpy().tolist(), gradient[0, 0, 0].tolist()], f"{min(times) * 1000:.1f}"


default, slow = measure(keras.ops.conv)
mended, quick = measure(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "VALID"))
print(json.dumps({"default": default, "mended": mended, "milliseconds": f"{slow}, {quick} by tf.nn.conv2d"}))
