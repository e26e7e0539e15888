"""The places of the five best of ten scores, of which many are equal, by torch.topk; and by a stable sort."""

import json

import torch

scores = torch.tensor([0.0, 0, 1, 0, 1, 1, 1, 1, 0, 1])
places = scores.topk(5).indices

ordered = scores.sort(stable=True, descending=True).indices[:5]
print(json.dumps({"default": places.tolist(), "mended": ordered.tolist()}))
