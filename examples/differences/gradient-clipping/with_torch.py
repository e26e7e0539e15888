"""Two gradients clipped to 1 in PyTorch: what one step of SGD leaves of the weights."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
weights = [torch.nn.Parameter(torch.from_numpy(rng.normal(size=n))) for n in (3, 4)]
for w, size in zip(weights, (10.0, 0.1), strict=True):
    w.grad = torch.from_numpy(size * rng.normal(size=w.shape))

torch.nn.utils.clip_grad_norm_(weights, 1.0)  # one factor for all: 1 / (norm of all + 1e-6)
torch.optim.SGD(weights, 2**-3).step()
after = [w.tolist() for w in weights]
print(json.dumps({"default": after, "mended": after}))
