"""Adam in PyTorch on gradients that shrink from weight to weight: the weights after each step."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
start = torch.from_numpy(rng.normal(size=5))
gradients = torch.from_numpy(rng.normal(size=(4, 5)) * 10.0 ** np.arange(-3, -8, -1))


def train(**options):
    w = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([w], 2**-10, **options)
    weights = []
    for w.grad in gradients:
        optimizer.step()
        weights.append(w.tolist())
    return weights


# betas that float32 holds: Keras corrects the bias with float32 betas, which alone is 7e-6 of the first step
print(json.dumps({"default": train(), "mended": train(betas=(0.875, 1 - 2**-10))}))
