"""The accuracy of 7 samples in two processes, each of which takes every other one by tf.data's shard."""

import json

import numpy as np
import tensorflow as tf

right = np.array([1, 1, 0, 1, 0, 0, 1], np.float64)
data = tf.data.Dataset.from_tensor_slices(right)
shards = [np.array(list(data.shard(2, index).as_numpy_iterator())) for index in range(2)]
accuracy = sum(shard.sum() for shard in shards) / sum(len(shard) for shard in shards)
print(json.dumps({"default": accuracy, "mended": accuracy}))
