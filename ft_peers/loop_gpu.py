"""What a person writes by hand for a GPU: channels last, autocast for bfloat16, pixels as bytes, nothing read back."""

import torch
from torchvision import models

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def on_device(values, device):
    """Return pixels, uint8 (N, H, W, 3), as numbers (N, 3, H, W) on the device, channels last in memory."""
    x = torch.from_numpy(values).to(device, non_blocking=True).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(three, device=device).view(1, 3, 1, 1) * 255 for three in (MEAN, STD))
    return (x - mean) / std


def network(name, device, classes):
    """Return torchvision's network in the layout that convolutions are fastest in."""
    return models.get_model(name, num_classes=classes).to(device).to(memory_format=torch.channels_last)


def frozen_pass(name, values, *, device, bfloat16, classes):
    """Return a function that runs the network in inference mode on these pixels."""
    model = network(name, device, classes).eval()

    @torch.inference_mode()
    def forward():
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            return model(on_device(values, device))

    return forward


def training_step(name, values, labels, *, device, bfloat16, classes):
    """Return a function that does a step of the whole network by SGD with momentum."""
    model = network(name, device, classes).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()
    y = torch.from_numpy(labels).to(device)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            loss = criterion(model(on_device(values, device)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
