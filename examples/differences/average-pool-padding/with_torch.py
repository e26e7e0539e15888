"""Average pooling in PyTorch: the padding counts as zeros."""

import json

import numpy as np
import torch

x = torch.from_numpy(np.random.default_rng(0).normal(2, 1, size=(1, 2, 4, 5)))
pool = torch.nn.AvgPool2d(3, stride=1, padding=1)
y = pool(x).tolist()
print(json.dumps({"default": y, "mended": y}))
