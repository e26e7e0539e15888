"""Of two boxes that overlap by a hair more than the half, in float64: torchvision.ops.nms sees it, and drops one."""

import json

import torch
from torchvision.ops import nms

boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5 + 1e-9]], dtype=torch.float64)
kept = nms(boxes, torch.tensor([2.0, 1], dtype=torch.float64), 0.5)
alive = [float(place in kept) for place in range(2)]
print(json.dumps({"default": alive, "mended": alive}))
