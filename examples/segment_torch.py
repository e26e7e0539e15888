"""Fine-tune a pretrained LRASPP on masks: the textbook loop in plain PyTorch, to be read beside segment_tf.py."""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torchvision import models

MODEL, LEFT_OUT = "lraspp_mobilenet_v3_large", 255  # a pixel of 255 in a mask does not count
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])  # of ImageNet's pixels, from 0 to 1
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with images/{train,val}/*, masks/{train,val}/*.png and classes.txt")
FLAGS.add_argument("--weights", required=True, help="torchvision's COCO_WITH_VOC_LABELS_V1, .pth")
FLAGS.add_argument("--recipe", choices=["frozen_head", "full"], default="frozen_head", help="what trains")
for key, n in {"epochs": 20, "batch-size": 8, "lr": 0.1, "momentum": 0.9, "image-size": 160}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")


def load_data(args, split):
    """Return the batches of the pictures in DATA/images/split and of their masks, and the names of the classes."""
    pairs = [read(path, args) for path in sorted(Path(args.data, "images", split).iterdir())]
    classes = Path(args.data, "classes.txt").read_text().split()
    return torch.utils.data.DataLoader(pairs, args.batch_size, shuffle=split == "train"), classes


def read(path, args):
    """Return a picture (3, H, W) and its mask (H, W), as large as just fits into the square, and what fills it."""
    picture, beside = Image.open(path).convert("RGB"), path.parents[2] / "masks" / path.parent.name
    sides = [round(side * args.image_size / max(picture.size)) for side in picture.size]
    square = Image.new("RGB", 2 * [args.image_size], (124, 116, 104))  # the mean colour
    square.paste(picture.resize(sides, Image.Resampling.BILINEAR))
    classes = Image.new("L", 2 * [args.image_size], LEFT_OUT)
    mask = Image.open(beside / f"{path.stem}.png")  # of class numbers
    classes.paste(mask.resize(sides, Image.Resampling.NEAREST))  # never blended: between two classes there is a third
    pixels = (np.asarray(square, np.float32) / 255 - MEAN) / STD
    return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(np.array(classes)).long()


def build(args, num_classes):
    """Return the pretrained network with new last layers, and the optimizer of what trains."""
    model = models.get_model(MODEL, weights_backbone=None)
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    model.backbone.requires_grad_(args.recipe == "full")
    for name in ("low_classifier", "high_classifier"):
        old = model.classifier.get_submodule(name)
        model.classifier.set_submodule(name, torch.nn.Conv2d(old.in_channels, num_classes, 1))
    model.to(DEVICE)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return model, torch.optim.SGD(trained, lr=args.lr, momentum=args.momentum)


def train_step(model, optimizer, images, masks, recipe):
    """Do one update and return the loss before it."""
    model.train()
    model.backbone.train(recipe == "full")  # inference mode keeps the BatchNorm statistics of a frozen backbone
    loss = cross_entropy(model(images.to(DEVICE))["out"], masks.to(DEVICE), ignore_index=LEFT_OUT)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model, batches):
    """Return mean IoU over the classes that occur, from the counts of all pixels."""
    model.eval()
    counts = 0
    for images, masks in batches:
        logits, counted = model(images.to(DEVICE))["out"].cpu(), masks != LEFT_OUT
        pairs = masks[counted] * logits.shape[1] + logits.argmax(1)[counted]  # truth and prediction in one number
        counts = counts + torch.bincount(pairs, minlength=logits.shape[1] ** 2).reshape(logits.shape[1], -1)
    hits, either = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
    return float((hits / either)[either > 0].double().mean())


def main(args):
    """Train, and print one line an epoch."""
    (train, classes), (val, _) = load_data(args, "train"), load_data(args, "val")
    model, optimizer = build(args, len(classes))
    for epoch in range(1, args.epochs + 1):
        loss = sum(float(train_step(model, optimizer, *batch, args.recipe)) for batch in train) / len(train)
        print(f"epoch {epoch}: loss {loss:.4f}, mean IoU {evaluate(model, val):.4f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
