"""How much two boxes overlap, by torchvision, which takes corners."""

import json

import torch
from torchvision.ops import box_iou

boxes = torch.tensor([[10.0, 20, 50, 80], [20, 25, 70, 75], [0, 30, 60, 90]], dtype=torch.float64)
overlaps = box_iou(boxes[:1], boxes[1:])[0].tolist()
print(json.dumps({"default": overlaps, "mended": overlaps}))
