"""A small network trained in PyTorch with a rate that is too large, and with a small one: the loss every ten steps."""

import json

import numpy as np
import torch

rng = np.random.default_rng(0)
x, y = torch.from_numpy(rng.normal(size=(60, 50))), torch.from_numpy(rng.normal(size=(60, 1)))
start = [torch.from_numpy(rng.normal(size=shape) / 4) for shape in ((50, 40), (40, 1))]


def train(rate):
    a, b = (w.clone().requires_grad_() for w in start)
    losses = []
    for step in range(61):
        loss = ((torch.tanh(x @ a) @ b - y) ** 2).mean()
        if step % 10 == 0:
            losses.append(loss.item())
        for w, gradient in zip((a, b), torch.autograd.grad(loss, (a, b)), strict=True):
            w.data -= rate * gradient
    return losses


print(json.dumps({"default": train(0.6), "mended": train(0.01)}))
