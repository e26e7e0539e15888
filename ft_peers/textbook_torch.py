"""The textbook loop as tutorials teach it: a torchvision model, frozen by requires_grad, train mode, a DataLoader.

Written from the description in PyTorch's tutorial on transfer learning.
"""

import argparse
import json
import time
from itertools import islice

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import datasets, models, transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train/CLASS/* and val/CLASS/*")
FLAGS.add_argument("--model", default="resnet50")
FLAGS.add_argument("--weights", required=True, help=".safetensors with torchvision's names and 1000 classes")
FLAGS.add_argument("--epochs", type=int, default=3)
FLAGS.add_argument("--batch-size", type=int, default=32)
FLAGS.add_argument("--size", type=int, default=224)
FLAGS.add_argument("--workers", type=int, default=4)
FLAGS.add_argument("--lr", type=float, default=1e-3)
FLAGS.add_argument("--seed", type=int, default=0)
FLAGS.add_argument("--augment", choices=("none", "crop-flip"), default="none", help="of the training images")
FLAGS.add_argument("--max-steps", type=int, help="stop the training after so many steps, a validation likewise")


def load_data(args, split):
    """Return the DataLoader of one split and its classes."""
    steps = [transforms.Resize(round(args.size * 256 / 224)), transforms.CenterCrop(args.size)]
    if split == "train" and args.augment == "crop-flip":
        steps = [transforms.RandomResizedCrop(args.size), transforms.RandomHorizontalFlip()]
    prepare = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    data = datasets.ImageFolder(f"{args.data}/{split}", prepare)
    shuffle = split == "train"
    return torch.utils.data.DataLoader(data, args.batch_size, shuffle=shuffle, num_workers=args.workers), data.classes


def build(args, classes):
    """Return the network with a frozen base and a new head."""
    model = models.get_model(args.model)
    model.load_state_dict(load_file(args.weights))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, len(classes))
    return model


def train_epoch(model, loader, criterion, optimizer, device, limit):
    """Train one epoch, or `limit` steps of it; return what it took, the first step, which starts workers, apart."""
    model.train()
    started, images = time.perf_counter(), 0
    for step, (x, y) in enumerate(loader, 1):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        images += len(y)
        if step == 1:
            first = time.perf_counter() - started
        if step == limit:
            break
    if device == "cuda":
        torch.cuda.synchronize()
    return {"steps": step, "images": images, "seconds": time.perf_counter() - started, "first": first}


@torch.no_grad()
def accuracy(model, loader, device, limit=None):
    """Return the share of images whose class is found, in all steps or `limit`, their number and the time of one."""
    model.eval()
    started, right = time.perf_counter(), []
    for x, y in islice(loader, limit):
        right.append((model(x.to(device)).argmax(1) == y.to(device)).float())
    share = float(torch.cat(right).mean())  # waits for a GPU
    took = {"val_steps": len(right), "val_step": (time.perf_counter() - started) / len(right)}
    return share, took


def main(args):
    """Train, validate after each epoch, and print one line of JSON."""
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    (train, classes), (val, _) = load_data(args, "train"), load_data(args, "val")
    model = build(args, classes).to(device)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=args.lr, momentum=0.9)
    epochs, left = [], args.max_steps
    for _ in range(args.epochs):
        epochs.append(train_epoch(model, train, nn.CrossEntropyLoss(), optimizer, device, left))
        left = left and left - epochs[-1]["steps"]
        top1, took = accuracy(model, val, device, args.max_steps)
        epochs[-1].update(took)
        if left == 0:
            break
    steps = {"steps": args.epochs * len(train), "val_steps": args.epochs * len(val)}
    print(json.dumps({"epochs": epochs, **steps, "top1": None if left == 0 else top1}))


if __name__ == "__main__":
    main(FLAGS.parse_args())
