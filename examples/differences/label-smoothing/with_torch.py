"""Two losses in PyTorch: with class weights, and with smoothed labels."""

import json

import numpy as np
import torch
from torch.nn import functional as F

rng = np.random.default_rng(0)
z, y, weights = rng.normal(size=(6, 3)), rng.integers(0, 3, 6), rng.uniform(0.5, 2, 3)
z, y, weights = torch.from_numpy(z), torch.from_numpy(y), torch.from_numpy(weights)

weighed = F.cross_entropy(z, y, weight=weights)  # divided by the sum of the samples' weights
smoothed = F.cross_entropy(z, y, label_smoothing=0.1)
losses = [weighed.item(), smoothed.item()]
print(json.dumps({"default": losses, "mended": losses}))
