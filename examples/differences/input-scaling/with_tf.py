"""Two pixels as keras.applications prepares them for MobileNetV2, scaled to -1..1; and as torchvision wants them."""

import json

import keras
import numpy as np

images = np.random.default_rng(0).integers(0, 256, (1, 1, 2, 3)).astype(float)
mean = np.array([0.485, 0.456, 0.406])
std = np.array([0.229, 0.224, 0.225])

default = keras.applications.mobilenet_v2.preprocess_input(images.copy())
mended = (images / 255 - mean) / std
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
