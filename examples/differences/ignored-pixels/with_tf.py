"""The same loss and gradient by a weight of 0 for pixels that do not count, and divided by those that do."""

import json

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
z, y = rng.normal(size=(2, 4, 4, 3)), rng.integers(0, 3, (2, 4, 4))
y[0, 2:] = 255
counted = tf.constant(y != 255, tf.float64)


def loss_and_gradient(reduce):
    with tf.GradientTape() as tape:
        tape.watch(logits := tf.constant(z))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(np.where(y == 255, 0, y), logits)
        loss = reduce(losses * counted)
    return [float(loss), *tape.gradient(loss, logits)[0, 0, 0].numpy().tolist()]


default = loss_and_gradient(tf.reduce_mean)
mended = loss_and_gradient(lambda losses: tf.reduce_sum(losses) / tf.reduce_sum(counted))
print(json.dumps({"default": default, "mended": mended}))
