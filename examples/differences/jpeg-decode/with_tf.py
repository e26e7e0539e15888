"""The middle row of a JPEG as TensorFlow decodes it, and with the exact transform."""

import io
import json

import numpy as np
import tensorflow as tf
from PIL import Image

blobs = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
file = io.BytesIO()
blobs.resize((32, 32), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)

default = tf.io.decode_jpeg(file.getvalue())[16]
mended = tf.io.decode_jpeg(file.getvalue(), dct_method="INTEGER_ACCURATE")[16]
print(json.dumps({"default": default.numpy().tolist(), "mended": mended.numpy().tolist()}))
