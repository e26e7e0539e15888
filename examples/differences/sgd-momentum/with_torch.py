"""SGD with momentum in PyTorch while the learning rate drops: the weights after each step."""

import json

import numpy as np
import torch

RATES = (2**-3, 2**-3, 2**-6, 2**-6)
rng = np.random.default_rng(0)
w = torch.nn.Parameter(torch.from_numpy(rng.normal(size=5)))
gradients = torch.from_numpy(rng.normal(size=(4, 5)))

optimizer = torch.optim.SGD([w], momentum=0.875)
weights = []
for rate, w.grad in zip(RATES, gradients, strict=True):
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
    weights.append(w.tolist())
print(json.dumps({"default": weights, "mended": weights}))
