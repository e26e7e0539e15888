"""One matrix for embeddings and logits in Keras: a copy in a Dense layer; or the same variable."""

import json

import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
matrix = np.linspace(-1, 1, 12).reshape(4, 3)


def moved(tied):
    """Return the embeddings after one step."""
    embedding, head = keras.layers.Embedding(4, 3), keras.layers.Dense(4, use_bias=False)
    embedding.build()
    head.build((None, 3))
    embedding.set_weights([matrix])
    head.set_weights([matrix.T])  # a copy
    with tf.GradientTape() as tape:
        x = embedding(tf.constant([0, 1]))
        logits = tf.matmul(x, embedding.embeddings.value, transpose_b=True) if tied else head(x)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits([1, 2], logits))
    gradient = tf.convert_to_tensor(tape.gradient(loss, embedding.embeddings.value))
    return (embedding.embeddings.value - 0.5 * gradient).numpy().tolist()


print(json.dumps({"default": moved(tied=False), "mended": moved(tied=True)}))
