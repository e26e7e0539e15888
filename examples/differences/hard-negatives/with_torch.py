"""The loss of classes of torchvision's SSD of two pictures, one with an object's box and one with none."""

import json
from types import SimpleNamespace

import numpy as np
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD

logits = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 8, 3)))
boxes = torch.tensor([[0.0, 0, 10, 10]], dtype=torch.float64)
matched = [torch.tensor([-1, 0, -1, -1, -1, -1, -1, -1]), torch.full((8,), -1)]
targets = [{"boxes": boxes[:n], "labels": torch.tensor([2][:n], dtype=torch.int64)} for n in (1, 0)]
said = {"cls_logits": logits, "bbox_regression": torch.zeros(2, 8, 4, dtype=torch.float64)}
ssd = SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3)
loss = SSD.compute_loss(ssd, targets, said, [boxes.expand(8, 4)] * 2, matched)["classification"].item()
print(json.dumps({"default": [loss], "mended": [loss]}))
