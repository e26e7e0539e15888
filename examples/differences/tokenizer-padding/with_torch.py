"""Two texts, padded to the longer one, as transformers asks its tokenizer at every call; their mean vectors."""

import json

import numpy as np
import torch

table = torch.from_numpy(np.linspace(-1, 1, 24).reshape(8, 3))  # a vector for each of eight tokens
ids, mask = torch.tensor([[2, 5, 3], [2, 3, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
mean = (table[ids] * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
print(json.dumps({"default": mean.tolist(), "mended": mean.tolist()}))
