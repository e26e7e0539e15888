"""How much small boxes overlap: their edges are places, and a box from 2 to 5 is 3 wide."""

import json

import torch
from torchvision.ops import box_iou

boxes = torch.tensor([[10.0, 20, 18, 30], [12, 22, 20, 31], [5, 25, 15, 40]], dtype=torch.float64)
overlaps = box_iou(boxes[:1], boxes[1:])[0].tolist()
print(json.dumps({"default": overlaps, "mended": overlaps}))
