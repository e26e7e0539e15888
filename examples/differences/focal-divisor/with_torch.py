"""The focal loss of two pictures by torchvision's RetinaNet, one with an object's anchor and one with four."""

import json

import numpy as np
import torch
from torchvision.models.detection.retinanet import RetinaNetClassificationHead

logits = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 6, 3)))
matched = [torch.tensor([0, -1, -1, -1, -1, -1]), torch.tensor([0, 0, 0, 0, -1, -1])]
targets = [{"labels": torch.tensor([2])}, {"labels": torch.tensor([1])}]
head = RetinaNetClassificationHead(1, 1, 3)
loss = head.compute_loss(targets, {"cls_logits": logits}, matched).item()
print(json.dumps({"default": [loss], "mended": [loss]}))
