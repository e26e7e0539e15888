"""The accuracy of 7 samples in two processes: with DistributedSampler's repeated one; and with each once."""

import json

import torch
from torch.utils.data import DistributedSampler

right = torch.tensor([1, 1, 0, 1, 0, 0, 1], dtype=torch.float64)
samplers = [DistributedSampler(right, num_replicas=2, rank=rank, shuffle=False) for rank in range(2)]
repeated = [i for sampler in samplers for i in sampler]

once = [i for rank in range(2) for i in range(len(right))[rank::2]]
print(json.dumps({"default": right[repeated].mean().item(), "mended": right[once].mean().item()}))
