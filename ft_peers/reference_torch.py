"""torchvision's reference training settings: the whole network, SGD 0.1 with momentum and decay, crops and flips.

Written from the description of its classification recipe: batch 32, learning rate 0.1, momentum 0.9, weight decay 1e-4,
a step schedule of 30 epochs, RandomResizedCrop and horizontal flip, DataLoader, NCHW, float32.
"""

import argparse
import json
import time
from itertools import islice

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import datasets, models, transforms

NORMALISE = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train/CLASS/* and val/CLASS/*")
FLAGS.add_argument("--model", default="resnet50")
FLAGS.add_argument("--weights", required=True, help=".safetensors with torchvision's names and 1000 classes")
FLAGS.add_argument("--epochs", type=int, default=3)
FLAGS.add_argument("--batch-size", type=int, default=32)
FLAGS.add_argument("--size", type=int, default=224)
FLAGS.add_argument("--workers", type=int, default=4)
FLAGS.add_argument("--lr", type=float, default=0.1)
FLAGS.add_argument("--seed", type=int, default=0)
FLAGS.add_argument("--max-steps", type=int, help="stop the training after so many steps, a validation likewise")


def load_data(args):
    """Return the DataLoaders of both splits and the classes."""
    flipped = [transforms.RandomResizedCrop(args.size), transforms.RandomHorizontalFlip()]
    centred = [transforms.Resize(round(args.size * 256 / 224)), transforms.CenterCrop(args.size)]
    loaders = []
    for split, steps in (("train", flipped), ("val", centred)):
        scaled = [transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float), NORMALISE]
        data = datasets.ImageFolder(f"{args.data}/{split}", transforms.Compose([*steps, *scaled]))
        loaders.append(
            torch.utils.data.DataLoader(
                data,
                args.batch_size,
                shuffle=split == "train",
                num_workers=args.workers,
                pin_memory=torch.cuda.is_available(),
            )
        )
    return *loaders, data.classes


def evaluate(model, loader, device, limit=None):
    """Return the share of images whose class is found, in all steps or `limit`, their number and the time of one."""
    model.eval()
    started, right = time.perf_counter(), []
    with torch.inference_mode():
        for x, y in islice(loader, limit):
            right.append((model(x.to(device)).argmax(1) == y.to(device)).float())
    share = float(torch.cat(right).mean())  # waits for a GPU
    took = {"val_steps": len(right), "val_step": (time.perf_counter() - started) / len(right)}
    return share, took


def train_epoch(model, loader, criterion, optimizer, device, limit):
    """Train one epoch, or `limit` steps of it; return what it took, the first step, which starts workers, apart."""
    model.train()
    started, images, seen = time.perf_counter(), 0, 0.0
    for step, (x, y) in enumerate(loader, 1):
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item()  # it logs each step
        images += len(y)
        if step == 1:
            first = time.perf_counter() - started
        if step == limit:
            break
    return {"steps": step, "images": images, "seconds": time.perf_counter() - started, "first": first}


def main(args):
    """Train, validate after each epoch, and print one line of JSON."""
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train, val, classes = load_data(args)
    model = models.get_model(args.model)
    model.load_state_dict(load_file(args.weights))
    model.fc = nn.Linear(model.fc.in_features, len(classes))
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
    epochs, left = [], args.max_steps
    for _ in range(args.epochs):
        epochs.append(train_epoch(model, train, nn.CrossEntropyLoss(), optimizer, device, left))
        schedule.step()
        left = left and left - epochs[-1]["steps"]
        top1, took = evaluate(model, val, device, args.max_steps)
        epochs[-1].update(took)
        if left == 0:
            break
    steps = {"steps": args.epochs * len(train), "val_steps": args.epochs * len(val)}
    print(json.dumps({"epochs": epochs, **steps, "top1": None if left == 0 else top1}))


if __name__ == "__main__":
    main(FLAGS.parse_args())
