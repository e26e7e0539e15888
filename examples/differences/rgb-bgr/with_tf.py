"""Two pixels as keras.applications prepares them for ResNet50 and VGG16: blue, green, red; and the other way round."""

import json

import keras
import numpy as np

images = np.random.default_rng(0).integers(0, 256, (1, 1, 2, 3)).astype(float)
x = keras.applications.resnet50.preprocess_input(images)
print(json.dumps({"default": x.tolist(), "mended": x[..., ::-1].tolist()}))
