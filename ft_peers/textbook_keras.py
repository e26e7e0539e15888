"""The Keras guide's way: keras.applications, base.trainable = False, a new Dense layer, model.fit.

Written from the description in Keras's guide on transfer learning. keras.applications has weights of its own, not
torchvision's, so this run starts from random ones: its time counts, its accuracy is not compared.
"""

import argparse
import json
import os
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

MODELS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("data", help="folder with train/CLASS/* and val/CLASS/*")
FLAGS.add_argument("--model", default="resnet50", choices=MODELS)
FLAGS.add_argument("--epochs", type=int, default=3)
FLAGS.add_argument("--batch-size", type=int, default=32)
FLAGS.add_argument("--size", type=int, default=224)
FLAGS.add_argument("--lr", type=float, default=1e-3)
FLAGS.add_argument("--seed", type=int, default=0)
FLAGS.add_argument("--augment", choices=("none", "crop-flip"), default="none", help="of the training images")
FLAGS.add_argument("--whole", action="store_true", help="train the base, too")
FLAGS.add_argument("--max-steps", type=int, help="stop the training after so many steps, a validation likewise")


class Clock(keras.callbacks.Callback):
    """Counts steps and seconds of each epoch's training and of its validation, and stops where it is told to."""

    def __init__(self, limit):
        super().__init__()
        self.limit, self.done, self.epochs = limit, 0, []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append({"steps": 0, "seconds": 0.0})
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        seconds = time.perf_counter() - self.started
        self.epochs[-1].update(steps=batch + 1, seconds=seconds)
        self.epochs[-1].setdefault("first", seconds)  # the first one traces the graph
        if self.done == self.limit:
            self.model.stop_training = True

    def on_test_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_test_batch_end(self, batch, logs=None):
        seconds = time.perf_counter() - self.started
        self.epochs[-1].update(val_steps=batch + 1, val_step=seconds / max(batch, 1))
        if batch == 0:  # it traces the graph, and counts only where it is alone
            self.started += seconds


def load_data(args, split):
    """Return the data set of one split, its number of images and its classes.

    Keras has no random crop of random size: where the other programs do that, one of fixed size is cut out here.
    """
    crops = split == "train" and args.augment == "crop-flip"
    side = round(args.size * 256 / 224) if crops else args.size
    data = keras.utils.image_dataset_from_directory(
        f"{args.data}/{split}",
        image_size=(side, side),
        batch_size=args.batch_size,
        shuffle=split == "train",
        seed=args.seed,
        verbose=False,
    )
    count, classes = len(data.file_paths), data.class_names
    if crops:
        changes = keras.Sequential(
            [keras.layers.RandomCrop(args.size, args.size), keras.layers.RandomFlip("horizontal")]
        )
        data = data.map(lambda x, y: (changes(x, training=True), y))
    return data.prefetch(1), count, classes


def build(args, classes):
    """Return the network with a new head and a base that is frozen, as the guide builds it, or trains."""
    shape = (args.size, args.size, 3)
    base = getattr(keras.applications, MODELS[args.model])(include_top=False, weights=None, input_shape=shape)
    base.trainable = args.whole
    inputs = keras.Input(shape)
    x = keras.applications.resnet.preprocess_input(inputs)
    x = keras.layers.GlobalAveragePooling2D()(base(x) if args.whole else base(x, training=False))
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def main(args):
    """Train, validate after each epoch, and print one line of JSON."""
    keras.utils.set_random_seed(args.seed)
    (train, count, classes), (val, _, _) = load_data(args, "train"), load_data(args, "val")
    model = build(args, len(classes))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(args.lr, momentum=0.9), loss, metrics=["accuracy"])
    clock = Clock(args.max_steps)
    shown = val.take(args.max_steps) if args.max_steps else val
    history = model.fit(train, validation_data=shown, epochs=args.epochs, verbose=0, callbacks=[clock])
    for epoch in clock.epochs:
        epoch["images"] = min(epoch["steps"] * args.batch_size, count)
    steps = {"steps": args.epochs * len(train), "val_steps": args.epochs * len(val)}
    top1 = None if args.max_steps else history.history["val_accuracy"][-1]
    print(json.dumps({"epochs": clock.epochs, **steps, "top1": top1}))


if __name__ == "__main__":
    main(FLAGS.parse_args())
