"""A row of an image of 64 x 64 pixels shrunk to 16 x 16 by tf.image.resize; and antialiased."""

import json

import numpy as np
import tensorflow as tf

# float32, for tf.image.resize gives nothing else: the mended halves agree to 1e-6
image = np.random.default_rng(0).integers(0, 256, (64, 64)).astype("float32")
default = tf.image.resize(image[..., None], (16, 16))
mended = tf.image.resize(image[..., None], (16, 16), antialias=True)
print(json.dumps({"default": default[8, :, 0].numpy().tolist(), "mended": mended[8, :, 0].numpy().tolist()}))
