"""A product in float64 in PyTorch."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, weight = torch.from_numpy(rng.normal(size=(4, 20))), torch.from_numpy(rng.normal(size=(3, 20)))
linear = torch.nn.Linear(20, 3, bias=False).double()
linear.load_state_dict({"weight": weight})
y = linear(x).tolist()
print(json.dumps({"default": y, "mended": y}))
