"""A convolution of stride 2 with the padding that Keras users write, and with PyTorch's."""

import json

import keras
import numpy as np

keras.config.set_dtype_policy("float64")
rng = np.random.default_rng(0)
x = rng.normal(size=(2, 3, 8, 8)).transpose(0, 2, 3, 1)
kernel = rng.normal(size=(4, 3, 3, 3)).transpose(2, 3, 1, 0)

same = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)
valid = keras.layers.Conv2D(4, 3, strides=2, padding="valid", use_bias=False)
padded = keras.layers.ZeroPadding2D(1)(x)
for layer, inputs in ((same, x), (valid, padded)):
    layer.build(inputs.shape)
    layer.set_weights([kernel])

default = same(x).numpy()  # padded by 1 below and on the right only
mended = valid(padded).numpy()
found = {"default": default, "mended": mended}
print(json.dumps({name: y.transpose(0, 3, 1, 2).tolist() for name, y in found.items()}))
