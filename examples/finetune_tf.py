"""Fine-tune a pretrained ResNet on photos: the textbook loop in plain Keras, to be read beside finetune_torch.py."""

import argparse

import keras
import tensorflow as tf

from ft.weights import read_weights  # Keras reads no .pth
from ft_tf import build_model, set_weights  # no Keras package has torchvision's ResNet

MODELS = {"frozen_head": "resnet50", "full": "resnet18"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, from 0 to 1
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train/CLASS/* and val/CLASS/*")
FLAGS.add_argument("--weights", required=True, help="torchvision's ImageNet weights, .pth or .safetensors")
FLAGS.add_argument("--recipe", choices=MODELS, default="frozen_head", help="train a new head, or the full network")
FLAGS.add_argument("--model", help="resnet18, resnet34 ... [frozen_head: resnet50, full: resnet18]")
for key, n in {"epochs": 10, "batch-size": 32, "lr": 1e-3, "momentum": 0.9, "image-size": 224, "workers": 4}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}]")
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load_data(args, split):
    """Return the batches of the photos in DATA/split/CLASS, and the names of the classes."""
    size, resized, training = args.image_size, round(args.image_size * 256 / 224), split == "train"
    classes = sorted(tf.io.gfile.listdir(f"{args.data}/{split}"))

    def prepare(file):
        image = tf.io.decode_jpeg(tf.io.read_file(file), channels=3, dct_method="INTEGER_ACCURATE")  # PNG as well
        if training and args.recipe == "full":
            area, ratio, whole = (0.08, 1), (3 / 4, 4 / 3), [[[0.0, 0.0, 1.0, 1.0]]]
            begin, extent, _ = tf.image.sample_distorted_bounding_box(tf.shape(image), whole, 0, 0, ratio, area)
            image = tf.image.random_flip_left_right(tf.slice(image, begin, extent))
            image = tf.image.resize(image, (size, size), antialias=True)
        else:
            sides = tf.shape(image)[:2] * resized // tf.reduce_min(tf.shape(image)[:2])  # the short one is `resized`
            top, left = tf.unstack(tf.cast(tf.round((sides - size) / 2), "int32"))
            image = tf.image.resize(image, sides, antialias=True)[top : top + size, left : left + size]
        return (image / 255 - MEAN) / STD, tf.argmax(tf.strings.split(file, "/")[-2] == classes)

    data = tf.data.Dataset.list_files(f"{args.data}/{split}/*/*", shuffle=training).map(prepare, args.workers)
    return data.batch(args.batch_size).prefetch(1), classes


def build(args, num_classes):
    """Return the pretrained network with a new head, and the optimizer of what trains."""
    base = build_model(args.model or MODELS[args.recipe], dtype=keras.config.floatx())
    set_weights(base, read_weights(args.weights))
    base.trainable = args.recipe == "full"
    model = keras.Model(base.input, keras.layers.Dense(num_classes)(base.layers[-2].output))
    return model, keras.optimizers.SGD(args.lr, args.momentum)


@tf.function(reduce_retracing=True)
def train_step(model, optimizer, images, labels, recipe):
    """Do one update and return the loss before it."""
    with tf.GradientTape() as tape:  # inference mode keeps the BatchNorm statistics of a frozen base
        loss = cross_entropy(labels, model(images, training=recipe == "full"))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def evaluate(model, batches):
    """Return mean loss and accuracy."""
    results = [(model(images, training=False), labels) for images, labels in batches]
    logits, labels = (tf.concat(parts, 0) for parts in zip(*results, strict=True))
    return float(cross_entropy(labels, logits)), float(keras.ops.mean(tf.argmax(logits, 1) == labels))


def main(args):
    """Train, and print one line an epoch."""
    (train, classes), (val, _) = load_data(args, "train"), load_data(args, "val")
    model, optimizer = build(args, len(classes))
    for epoch in range(1, args.epochs + 1):
        loss = sum(float(train_step(model, optimizer, *batch, args.recipe)) for batch in train) / len(train)
        print("epoch {}: loss {:.4f}, val loss {:.4f}, accuracy {:.4f}".format(epoch, loss, *evaluate(model, val)))


if __name__ == "__main__":
    main(FLAGS.parse_args())
