"""Twelve samples in the order of a shuffling DataLoader with seed 0, and in one that NumPy drew."""

import json

import numpy as np
import torch
from torch.utils.data import DataLoader

samples, order = torch.arange(12), np.random.default_rng(0).permutation(12)
torch.manual_seed(0)
default = DataLoader(samples, batch_size=4, shuffle=True)
mended = DataLoader(samples, batch_size=4, sampler=order.tolist())
default, mended = ([x.tolist() for x in batches] for batches in (default, mended))
print(json.dumps({"default": default, "mended": mended}))
