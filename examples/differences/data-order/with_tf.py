"""Twelve samples in the order of a shuffling tf.data.Dataset with seed 0, and in one that NumPy drew."""

import json

import numpy as np
import tensorflow as tf

samples, order = np.arange(12), np.random.default_rng(0).permutation(12)
tf.random.set_seed(0)
default = tf.data.Dataset.from_tensor_slices(samples).shuffle(12).batch(4)
mended = tf.data.Dataset.from_tensor_slices(samples[order]).batch(4)
default, mended = ([x.numpy().tolist() for x in batches] for batches in (default, mended))
print(json.dumps({"default": default, "mended": mended}))
