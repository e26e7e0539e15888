"""GELU in Keras as BERT's and GPT-2's code asks for it, by tanh; and exact, which is the default of Keras itself."""

import json

import keras
import numpy as np

x = keras.ops.convert_to_tensor(np.linspace(-4, 4, 9))
by_tanh = keras.activations.gelu(x, approximate=True)
exact = keras.activations.gelu(x)
print(json.dumps({"default": by_tanh.numpy().tolist(), "mended": exact.numpy().tolist()}))
