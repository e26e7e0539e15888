"""BatchNorm's running mean after one batch, as PyTorch moves it."""

import json

import numpy as np
import torch

x = torch.from_numpy(np.random.default_rng(0).normal(2, 3, size=(5, 4, 2, 2)))
norm = torch.nn.BatchNorm2d(4).double()  # momentum=0.1: the share of the new
norm(x)
running_mean = norm.running_mean.tolist()
print(json.dumps({"default": running_mean, "mended": running_mean}))
