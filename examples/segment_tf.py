"""Fine-tune a pretrained LRASPP on masks: the textbook loop in plain Keras, to be read beside segment_torch.py."""

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from ft.weights import read_weights  # Keras reads no .pth
from ft_tf import build_model, get_weights, set_weights  # no Keras package has torchvision's LRASPP

MODEL, LEFT_OUT = "lraspp_mobilenet_v3_large", 255  # a pixel of 255 in a mask does not count
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])  # of ImageNet's pixels, from 0 to 1
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with images/{train,val}/*, masks/{train,val}/*.png and classes.txt")
FLAGS.add_argument("--weights", required=True, help="torchvision's COCO_WITH_VOC_LABELS_V1, .pth")
FLAGS.add_argument("--recipe", choices=["frozen_head", "full"], default="frozen_head", help="what trains")
for key, n in {"epochs": 20, "batch-size": 8, "lr": 0.1, "momentum": 0.9, "image-size": 160}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")
# the mean over the pixels that count; the default reduction would divide by all
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)


def load_data(args, split):
    """Return the batches of the pictures in DATA/images/split and of their masks, and the names of the classes."""
    pairs = [read(path, args) for path in sorted(Path(args.data, "images", split).iterdir())]
    classes = Path(args.data, "classes.txt").read_text().split()
    data = tf.data.Dataset.from_tensor_slices(tuple(np.stack(part) for part in zip(*pairs, strict=True)))
    return (data.shuffle(len(pairs)) if split == "train" else data).batch(args.batch_size), classes


def read(path, args):
    """Return a picture (H, W, 3) and its mask (H, W), as large as just fits into the square, and what fills it."""
    picture, beside = Image.open(path).convert("RGB"), path.parents[2] / "masks" / path.parent.name
    sides = [round(side * args.image_size / max(picture.size)) for side in picture.size]
    square = Image.new("RGB", 2 * [args.image_size], (124, 116, 104))  # the mean colour
    square.paste(picture.resize(sides, Image.Resampling.BILINEAR))
    classes = Image.new("L", 2 * [args.image_size], LEFT_OUT)
    mask = Image.open(beside / f"{path.stem}.png")  # of class numbers
    classes.paste(mask.resize(sides, Image.Resampling.NEAREST))  # never blended: between two classes there is a third
    return (np.asarray(square, np.float32) / 255 - MEAN) / STD, np.array(classes)


def build(args, num_classes):
    """Return the pretrained network with new last layers, and the optimizer of what trains."""
    model = build_model(MODEL, num_classes=num_classes, dtype=keras.config.floatx())
    new = {name: x for name, x in get_weights(model).items() if "_classifier" in name}
    set_weights(model, {**read_weights(args.weights), **new})
    for layer in model.layers:  # inference mode keeps the BatchNorm statistics of a frozen backbone
        layer.trainable = args.recipe == "full" or not layer.name.startswith("backbone")
        layer.frozen = not layer.trainable
    return model, keras.optimizers.SGD(args.lr, args.momentum)


@tf.function(reduce_retracing=True)
def train_step(model, optimizer, images, masks):
    """Do one update and return the loss before it."""
    with tf.GradientTape() as tape:
        counted = masks != LEFT_OUT
        losses = cross_entropy(masks[counted], model(images, training=True)["out"][counted])
        loss = tf.reduce_mean(losses)
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def evaluate(model, batches):
    """Return mean IoU over the classes that occur, from the counts of all pixels."""
    counts = 0
    for images, masks in batches:
        logits, counted = model(images, training=False)["out"], masks != LEFT_OUT
        classes = logits.shape[-1]
        counts = counts + tf.math.confusion_matrix(masks[counted], tf.argmax(logits, -1)[counted], classes).numpy()
    hits, either = counts.diagonal(), counts.sum(0) + counts.sum(1) - counts.diagonal()
    return float((hits / np.maximum(either, 1))[either > 0].mean())


def main(args):
    """Train, and print one line an epoch."""
    (train, classes), (val, _) = load_data(args, "train"), load_data(args, "val")
    model, optimizer = build(args, len(classes))
    for epoch in range(1, args.epochs + 1):
        loss = sum(float(train_step(model, optimizer, *batch)) for batch in train) / len(train)
        print(f"epoch {epoch}: loss {loss:.4f}, mean IoU {evaluate(model, val):.4f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
