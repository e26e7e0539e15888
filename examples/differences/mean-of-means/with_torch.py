"""Two processes with 4 and 3 of 7 samples: the mean of their means, as DistributedDataParallel has it; and the mean."""

import json

import torch

losses = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], dtype=torch.float64)
parts = losses[:4], losses[4:]
means = torch.stack([part.mean() for part in parts]).mean()

mean = torch.stack([part.sum() * len(parts) / len(losses) for part in parts]).mean()
print(json.dumps({"default": means.item(), "mended": mean.item()}))
