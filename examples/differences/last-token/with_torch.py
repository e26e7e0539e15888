"""The last token of padded texts as transformers' GPT-2 takes it: the rightmost one that is no padding."""

import json

import numpy as np
import torch

x = torch.from_numpy(np.arange(24.0).reshape(2, 4, 3))  # two texts, four places, three channels
mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])  # the second text has two tokens
at = (mask * torch.arange(4)).argmax(1)
last = x[torch.arange(2), at].tolist()
print(json.dumps({"default": last, "mended": last}))
