"""Fine-tune Faster R-CNN on a pretrained MobileNetV2 on boxes: the loop in plain Keras, to be read beside torch's."""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from faster_coco_eval import COCO, COCOeval_faster
from PIL import Image

from ft.weights import read_weights  # Keras reads no .pth
from ft.zoo import find_card
from ft_tf import build_model, get_weights, set_weights  # no Keras package has a Faster R-CNN
from ft_tf.taps import split_at_taps

MODEL, BETA = "fasterrcnn_mobilenet_v2_fpn", 1 / 9  # below it the loss of a box is a square
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of ImageNet's pixels, from 0 to 1
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument(
    "data", help="folder with {train,val}/* and annotations/instances_{train,val}.json, as COCO has them"
)
FLAGS.add_argument("--weights", required=True, help="torchvision's MobileNetV2, .pth")
for key, n in {"epochs": 6, "batch-size": 4, "lr": 0.01, "momentum": 0.9, "image-size": 160}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}], a multiple of 32" if n == 160 else f"[{n}]")


def load_data(args, split):
    """Return the batches of the pictures in DATA/split with their boxes, and the annotations."""
    annotations = json.loads(Path(args.data, "annotations", f"instances_{split}.json").read_text())
    numbers = {row["id"]: i for i, row in enumerate(sorted(annotations["categories"], key=lambda row: row["id"]))}
    boxes = defaultdict(list)
    for row in annotations["annotations"]:
        boxes[row["image_id"]] += [] if row.get("iscrowd") else [(*row["bbox"], numbers[row["category_id"]])]
    images, most = sorted(annotations["images"], key=lambda image: image["file_name"]), max(map(len, boxes.values()))
    rows = [
        read(Path(args.data, split, image["file_name"]), boxes[image["id"]], image["id"], most, args)
        for image in images
    ]
    data = tf.data.Dataset.from_tensor_slices({key: np.stack([row[key] for row in rows]) for key in rows[0]})
    return (data.shuffle(len(rows)) if split == "train" else data).batch(args.batch_size), annotations


def read(path, boxes, number, most, args):
    """Return a picture (H, W, 3), as large as just fits into the square, and what is on it, filled up with class -1."""
    picture = Image.open(path).convert("RGB")
    sides = [round(side * args.image_size / max(picture.size)) for side in picture.size]
    square = Image.new("RGB", 2 * [args.image_size], (124, 116, 104))  # the mean colour
    square.paste(picture.resize(sides, Image.Resampling.BILINEAR))
    dtype, scale = keras.config.floatx(), np.tile(np.array(sides) / picture.size, 2)
    rows = np.array([*boxes, *[(0, 0, 0, 0, -1)] * (most - len(boxes))], np.float64)  # x, y, width, height, class
    corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1) * scale
    pixels = ((np.asarray(square, np.float64) / 255 - MEAN) / STD).astype(dtype)
    taught = {"boxes": corners.astype(dtype), "box_labels": rows[:, 4].astype(np.int64)}
    return {"images": pixels, **taught, "image_id": number, "scale": scale}


def build(args, num_classes):
    """Return the network behind a pretrained body whose BatchNorms stand still, in two, and the optimizer of all."""
    model = build_model(MODEL, num_classes=num_classes, dtype=keras.config.floatx())
    tensors = get_weights(model)
    body = {name.replace("features", "backbone.body", 1): x for name, x in read_weights(args.weights).items()}
    set_weights(model, {**tensors, **{name: x for name, x in body.items() if name in tensors}})
    return model, split_at_taps(model, find_card(MODEL)), keras.optimizers.SGD(args.lr, args.momentum)


@tf.function(reduce_retracing=True)
def train_step(model, parts, optimizer, images, boxes, labels):
    """Do one update and return the loss before it: the sum of the four that torchvision gives."""
    body, behind = parts
    with tf.GradientTape() as tape:
        targets = {"boxes": boxes, "box_labels": labels}
        said = behind(body(images, training=True), images.shape[1:3], training=True, targets=targets)
        objects, classes = said["objects"], said["classes"]
        own = tf.gather(said["box_deltas"], classes, batch_dims=1)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(objects, said["objectness"]))
        loss += tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, said["class_logits"]))
        loss += box_loss(said["deltas"], said["anchor_boxes"], objects > 0)
        loss += box_loss(own, said["roi_boxes"], classes > 0)
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def box_loss(said, wanted, objects):
    """Return the smooth L1 of boxes of objects, divided by how many boxes there are."""
    away = tf.abs(said - wanted)[objects]
    total = tf.reduce_sum(tf.where(away < BETA, 0.5 * away**2 / BETA, away - 0.5 * BETA))
    return total / tf.cast(tf.size(objects), total.dtype)


def evaluate(model, batches, annotations):
    """Return COCO's AP, of boxes in the pictures' own pixels."""
    ids, found = sorted(row["id"] for row in annotations["categories"]), []
    for batch in batches:
        said = {name: x.numpy() for name, x in model(batch["images"], training=False).items()}
        for i, number in enumerate(batch["image_id"].numpy().tolist()):
            corners = said["boxes"][i] / batch["scale"][i].numpy()
            boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
            rows = zip(boxes, said["classes"][i].tolist(), said["scores"][i].tolist(), strict=True)
            for box, label, score in rows:
                row = {"image_id": number, "category_id": ids[label], "bbox": box, "score": score}
                found += [row] * (label >= 0)
    truth = COCO(annotations)
    result = COCOeval_faster(truth, truth.loadRes(found), "bbox")
    result.run()
    return float(result.stats[0])


def main(args):
    """Train, and print one line an epoch."""
    (train, _), (val, annotations) = load_data(args, "train"), load_data(args, "val")
    model, parts, optimizer = build(args, len(annotations["categories"]))
    for epoch in range(1, args.epochs + 1):
        losses = [train_step(model, parts, optimizer, x["images"], x["boxes"], x["box_labels"]) for x in train]
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}, AP {evaluate(model, val, annotations):.4f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
