"""Fine-tune a pretrained BERT on texts: the textbook loop in PyTorch and transformers, beside text_tf.py."""

import argparse
import csv
import random

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, AutoTokenizer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train.csv and val.csv: text,label")
FLAGS.add_argument(
    "--model", required=True, help="folder with config.json, model.safetensors and the tokenizer's files"
)
FLAGS.add_argument("--optimizer", choices=["adamw", "sgd"], default="adamw", help="[adamw]")
for key, n in {"epochs": 3, "batch-size": 16, "lr": 5e-5, "weight-decay": 0.01, "max-length": 128}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")


def load_data(args, split):
    """Return the texts of a split, and their labels."""
    with open(f"{args.data}/{split}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def batches(args, texts, labels, *, shuffle):
    """Yield the token numbers of some texts, each batch padded to its longest, and their labels."""
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    order = random.sample(range(len(texts)), len(texts)) if shuffle else list(range(len(texts)))
    for start in range(0, len(order), args.batch_size):
        rows = order[start : start + args.batch_size]
        options = {"padding": True, "truncation": True, "max_length": args.max_length, "return_tensors": "pt"}
        yield tokenizer([texts[i] for i in rows], **options), torch.tensor([labels[i] for i in rows])


def build(args, num_classes):
    """Return the pretrained network with a new head, and the optimizer."""
    model = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=num_classes).to(DEVICE)
    if args.optimizer == "sgd":
        return model, torch.optim.SGD(model.parameters(), lr=args.lr)
    return model, torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)


def train_step(model, optimizer, inputs, labels):
    """Do one update and return the loss before it."""
    model.train()
    logits = model(**{name: x.to(DEVICE) for name, x in inputs.items()}).logits
    loss = cross_entropy(logits, labels.to(DEVICE))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model, given):
    """Return mean loss and accuracy."""
    model.eval()
    results = [(model(**{name: x.to(DEVICE) for name, x in inputs.items()}).logits, labels) for inputs, labels in given]
    logits, labels = (torch.cat(parts) for parts in zip(*results, strict=True))
    return float(cross_entropy(logits, labels.to(DEVICE))), float((logits.argmax(1).cpu() == labels).float().mean())


def main(args):
    """Train, and print one line an epoch."""
    (texts, names), (val_texts, val_names) = load_data(args, "train"), load_data(args, "val")
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    labels, val_labels = ([number[name] for name in own] for own in (names, val_names))
    model, optimizer = build(args, len(number))
    for epoch in range(1, args.epochs + 1):
        losses = [float(train_step(model, optimizer, *b)) for b in batches(args, texts, labels, shuffle=True)]
        found = evaluate(model, batches(args, val_texts, val_labels, shuffle=False))
        loss = sum(losses) / len(losses)
        print("epoch {}: loss {:.4f}, val loss {:.4f}, accuracy {:.4f}".format(epoch, loss, *found))


if __name__ == "__main__":
    main(FLAGS.parse_args())
