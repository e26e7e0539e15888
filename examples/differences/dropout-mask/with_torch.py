"""Dropout in PyTorch with seed 0, and with a mask that NumPy drew."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, mask = torch.from_numpy(rng.normal(size=12)), torch.from_numpy(rng.random(12) >= 0.5)

torch.manual_seed(0)
dropout = torch.nn.Dropout(0.5)
default = dropout(x)
mended = x * mask / (1 - 0.5)
print(json.dumps({"default": default.tolist(), "mended": mended.tolist()}))
