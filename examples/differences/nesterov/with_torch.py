"""SGD with Nesterov's momentum in PyTorch: the weights after each step."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
w = torch.nn.Parameter(torch.from_numpy(rng.normal(size=5)))
gradients = torch.from_numpy(rng.normal(size=(4, 5)))

optimizer = torch.optim.SGD([w], 2**-3, momentum=0.875, nesterov=True)
weights = []
for w.grad in gradients:
    optimizer.step()
    weights.append(w.tolist())
print(json.dumps({"default": weights, "mended": weights}))
