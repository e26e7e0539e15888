"""Fine-tune a pretrained ResNet on photos: the textbook loop in plain PyTorch, to be read beside finetune_tf.py."""

import argparse

import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from torchvision import datasets, models, transforms

MODELS = {"frozen_head": "resnet50", "full": "resnet18"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, from 0 to 1
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train/CLASS/* and val/CLASS/*")
FLAGS.add_argument("--weights", required=True, help="torchvision's ImageNet weights, .pth or .safetensors")
FLAGS.add_argument("--recipe", choices=MODELS, default="frozen_head", help="train a new head, or the full network")
FLAGS.add_argument("--model", help="resnet18, resnet34 ... [frozen_head: resnet50, full: resnet18]")
for key, n in {"epochs": 10, "batch-size": 32, "lr": 1e-3, "momentum": 0.9, "image-size": 224, "workers": 4}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")


def load_data(args, split):
    """Return the batches of the photos in DATA/split/CLASS, and the names of the classes."""
    size, resized, training = args.image_size, round(args.image_size * 256 / 224), split == "train"
    if training and args.recipe == "full":
        crop = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
    else:
        crop = [transforms.Resize(resized), transforms.CenterCrop(size)]
    prepare = transforms.Compose([*crop, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    data = datasets.ImageFolder(f"{args.data}/{split}", prepare)
    return torch.utils.data.DataLoader(data, args.batch_size, shuffle=training, num_workers=args.workers), data.classes


def build(args, num_classes):
    """Return the pretrained network with a new head, and the optimizer of what trains."""
    model = models.get_model(args.model or MODELS[args.recipe])
    safe = args.weights.endswith(".safetensors")
    model.load_state_dict(load_file(args.weights) if safe else torch.load(args.weights, weights_only=True))
    model.requires_grad_(args.recipe == "full")
    model.fc = torch.nn.Linear(model.fc.in_features, num_classes)
    model.to(DEVICE)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return model, torch.optim.SGD(trained, lr=args.lr, momentum=args.momentum)


def train_step(model, optimizer, images, labels, recipe):
    """Do one update and return the loss before it."""
    model.train(recipe == "full")  # inference mode keeps the BatchNorm statistics of a frozen base
    loss = cross_entropy(model(images.to(DEVICE)), labels.to(DEVICE))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model, batches):
    """Return mean loss and accuracy."""
    model.eval()
    results = [(model(images.to(DEVICE)), labels.to(DEVICE)) for images, labels in batches]
    logits, labels = (torch.cat(parts) for parts in zip(*results, strict=True))
    return float(cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


def main(args):
    """Train, and print one line an epoch."""
    (train, classes), (val, _) = load_data(args, "train"), load_data(args, "val")
    model, optimizer = build(args, len(classes))
    for epoch in range(1, args.epochs + 1):
        loss = sum(float(train_step(model, optimizer, *batch, args.recipe)) for batch in train) / len(train)
        print("epoch {}: loss {:.4f}, val loss {:.4f}, accuracy {:.4f}".format(epoch, loss, *evaluate(model, val)))


if __name__ == "__main__":
    main(FLAGS.parse_args())
