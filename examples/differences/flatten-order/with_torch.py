"""A dense layer on flattened features in PyTorch: all of channel 0, then all of channel 1."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(60, 6))  # images as N, C, H, W
x = torch.from_numpy(x)
flatten = torch.nn.Flatten()

y = (flatten(x) @ torch.from_numpy(weight)).tolist()
print(json.dumps({"default": y, "mended": y}))
