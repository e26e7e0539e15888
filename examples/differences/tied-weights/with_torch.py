"""One matrix for embeddings and logits in PyTorch: both layers hold the same parameter."""

import json

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
matrix = np.linspace(-1, 1, 12).reshape(4, 3)
embedding, head = torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False)
embedding.weight.data = torch.from_numpy(matrix.copy())
head.weight = embedding.weight  # tied

loss = torch.nn.functional.cross_entropy(head(embedding(torch.tensor([0, 1]))), torch.tensor([1, 2]))
loss.backward()
moved = (embedding.weight - 0.5 * embedding.weight.grad).tolist()
print(json.dumps({"default": moved, "mended": moved}))
