"""A residual block in PyTorch: the branch and what goes around it."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, weight = (torch.from_numpy(rng.normal(size=shape)) for shape in ((2, 5), (5, 5)))


def block(x):
    return x + torch.relu(x @ weight)


y = block(x).tolist()
print(json.dumps({"default": y, "mended": y}))
