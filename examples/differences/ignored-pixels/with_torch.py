"""The loss of two masks of which some pixels do not count, and its gradient at the first pixel, in PyTorch."""

import json

import numpy as np
import torch
from torch.nn import functional as F

rng = np.random.default_rng(0)
z, y = rng.normal(size=(2, 4, 4, 3)), rng.integers(0, 3, (2, 4, 4))
y[0, 2:] = 255
z = torch.from_numpy(z).requires_grad_()
loss = F.cross_entropy(z.permute(0, 3, 1, 2), torch.from_numpy(y), ignore_index=255)
loss.backward()
result = [loss.item(), *z.grad[0, 0, 0].tolist()]
print(json.dumps({"default": result, "mended": result}))
