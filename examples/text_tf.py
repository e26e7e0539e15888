"""Fine-tune a pretrained BERT on texts: the textbook loop in plain Keras, to be read beside text_torch.py."""

import argparse
import csv
import random

import keras
import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

from ft.weights.text_files import text_weights  # the files that transformers reads
from ft.zoo import find_text_card
from ft_tf import build_text, get_weights, set_weights  # no Keras package has a maintained BERT under these names

FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train.csv and val.csv: text,label")
FLAGS.add_argument("--model", required=True, help="folder with config.json, model.safetensors and tokenizer.json")
FLAGS.add_argument("--optimizer", choices=["adamw", "sgd"], default="adamw", help="[adamw]")
for key, n in {"epochs": 3, "batch-size": 16, "lr": 5e-5, "weight-decay": 0.01, "max-length": 128}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load_data(args, split):
    """Return the texts of a split, and their labels."""
    with open(f"{args.data}/{split}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def batches(args, texts, labels, *, shuffle):
    """Yield the token numbers of some texts, each batch padded to its longest, and their labels."""
    tokenizer = Tokenizer.from_file(f"{args.model}/tokenizer.json")
    tokenizer.enable_padding(pad_id=0)  # both replace what the file stores
    tokenizer.enable_truncation(args.max_length)
    order = random.sample(range(len(texts)), len(texts)) if shuffle else list(range(len(texts)))
    for start in range(0, len(order), args.batch_size):
        rows = order[start : start + args.batch_size]
        found = tokenizer.encode_batch([texts[i] for i in rows])
        parts = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}
        inputs = {name: tf.constant([getattr(f, part) for f in found], tf.int64) for name, part in parts.items()}
        yield inputs, tf.constant([labels[i] for i in rows])


def build(args, num_classes):
    """Return the pretrained network with a new head, and the optimizer."""
    card = find_text_card(args.model).with_head(pool="reference")
    model = build_text(card, num_classes=num_classes, dtype=keras.config.floatx())
    head = np.random.default_rng().normal(0, 0.02, (num_classes, card.config.width))
    set_weights(model, {**get_weights(model), **text_weights(card), "classifier.weight": head})
    if args.optimizer == "sgd":
        return model, keras.optimizers.SGD(args.lr)
    return model, keras.optimizers.AdamW(args.lr, weight_decay=args.weight_decay)


@tf.function(reduce_retracing=True)
def train_step(model, optimizer, inputs, labels):
    """Do one update and return the loss before it."""
    with tf.GradientTape() as tape:
        loss = cross_entropy(labels, model(inputs, training=True))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def evaluate(model, given):
    """Return mean loss and accuracy."""
    results = [(model(inputs, training=False), labels) for inputs, labels in given]
    logits, labels = (tf.concat(parts, 0) for parts in zip(*results, strict=True))
    right = tf.argmax(logits, 1) == tf.cast(labels, "int64")
    return float(cross_entropy(labels, logits)), float(keras.ops.mean(right))


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
