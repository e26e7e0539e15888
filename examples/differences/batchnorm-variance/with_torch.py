"""BatchNorm's running variance after one batch, as PyTorch keeps it."""

import json

import numpy as np
import torch

x = torch.from_numpy(np.random.default_rng(0).normal(2, 3, size=(5, 4, 2, 2)))
norm = torch.nn.BatchNorm2d(4, momentum=0.1).double()
norm(x)
running_var = norm.running_var.tolist()
print(json.dumps({"default": running_var, "mended": running_var}))
