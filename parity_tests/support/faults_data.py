"""Faults of the data and of the loss, each planted in one wing at a place drawn from the generator."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ft.data.targets import count, rows
from ft.differences.input_scaling import RANGES
from ft.parity.trace import TraceBatch
from ft.zoo.published import MEAN, STD
from parity_tests.support.faults import Fault, Feed
from parity_tests.support.faults_layers import RESNET, Pair, losing, one_of, one_wing
from parity_tests.support.small_pair import SMALL

SHORT, BATCH_SIZE = 5, 32  # a short last batch, and the fixed number that a loss is divided by


def fed(rng: np.random.Generator, change: Callable[[np.ndarray], np.ndarray]) -> Feed:
    """Return a feed that changes the images of one wing."""
    return {one_wing(rng): lambda batch: replace(batch, inputs={"images": change(batch.inputs["images"])})}


@contextmanager
def other_channel_order(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Feed a wing BGR."""
    yield fed(rng, lambda images: np.ascontiguousarray(images[..., ::-1]))


@contextmanager
def other_range(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Feed a wing pixels of another range."""
    before, after = rng.permutation(list(RANGES))[:2]
    (scale_a, shift_a), (scale_b, shift_b) = RANGES[before], RANGES[after]
    yield fed(rng, lambda images: (images - shift_a) / scale_a * scale_b + shift_b)


def normalised(pixels: list[np.ndarray]) -> np.ndarray:
    """Return pictures (H, W, 3) of 0..255 as a batch with ImageNet's mean and deviation."""
    return (np.stack(pixels).astype(np.float64) / 255 - MEAN) / STD


def pictures(rng: np.random.Generator, count: int, side: int, detail: int) -> list[Image.Image]:
    """Return drawn pictures with blobs of `detail` pixels."""
    blobs = [rng.integers(0, 256, (side // detail, side // detail, 3), dtype=np.uint8) for _ in range(count)]
    return [Image.fromarray(x).resize((side, side), Image.Resampling.BICUBIC) for x in blobs]


def feeds(rng: np.random.Generator, first: list[np.ndarray], second: list[np.ndarray]) -> Feed:
    """Return a feed that gives each wing pictures of its own."""
    wings = rng.permutation(["torch", "tf"])
    batches = {str(wing): normalised(pixels) for wing, pixels in zip(wings, (first, second), strict=True)}
    return {
        wing: lambda batch, images=images: replace(batch, inputs={"images": images}) for wing, images in batches.items()
    }


@contextmanager
def quick_jpeg(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Decode the same JPEG files with Pillow for one wing and with TensorFlow's default for the other."""
    files = []
    quality = int(rng.integers(75, 96))
    for picture in pictures(rng, 8, 32, 4):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        files.append(buffer.getvalue())
    exact = [np.asarray(Image.open(io.BytesIO(data))) for data in files]
    yield feeds(rng, exact, [tf.io.decode_jpeg(data).numpy() for data in files])


@contextmanager
def no_antialias(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Shrink the same pictures with Pillow for one wing and with tf.image.resize for the other."""
    large = pictures(rng, 8, int(rng.integers(80, 200)), int(rng.integers(3, 9)))
    smooth = [np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR)) for picture in large]
    yield feeds(rng, smooth, [tf.image.resize(np.asarray(picture), (32, 32)).numpy() for picture in large])


@contextmanager
def other_order(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Feed a wing the samples of the batch in another order, or only its images, or only its labels."""
    images, labels = one_of(rng, (True, True), (True, False), (False, True))

    def shuffled(batch: TraceBatch) -> TraceBatch:
        order = np.roll(np.arange(count(batch.targets)), 1 + rng.integers(3))
        return replace(
            batch,
            inputs=rows(batch.inputs, order) if images else batch.inputs,
            targets=rows(batch.targets, order) if labels else batch.targets,
        )

    yield {one_wing(rng): shuffled}


@contextmanager
def fixed_divisor(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Divide the losses of a short batch by a fixed number, or by none."""
    divisor, first = one_of(rng, BATCH_SIZE, 1), slice(SHORT)
    short = {wing: lambda b: replace(b, inputs=rows(b.inputs, first), targets=rows(b.targets, first)) for wing in pair}
    with losing(
        one_wing(rng),
        torch=lambda z, y, **_: F.cross_entropy(z, y, reduction="sum") / divisor,
        tf=lambda z, y, **_: tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)) / divisor,
    ):
        yield short


@contextmanager
def smoothed_labels(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Smooth the labels in one wing."""
    learner: Any = pair[one_wing(rng)]
    with patch.object(learner, "objective", replace(learner.objective, label_smoothing=float(rng.uniform(0.05, 0.2)))):
        yield


@contextmanager
def weighed_classes(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Weigh the classes, divided by the weights' sum in one wing and by the batch size in the other; or in one only."""
    weights = rng.uniform(0.5, 2, 10)

    def of_torch(z: Tensor, y: Tensor, **_: Any) -> Tensor:
        return F.cross_entropy(z, y, weight=torch.from_numpy(weights))

    def of_tf(z: tf.Tensor, y: tf.Tensor, **_: Any) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)
        return tf.reduce_mean(losses * tf.gather(tf.constant(weights, z.dtype), y))

    wings = one_of(rng, ("torch",), ("tf",), ("torch", "tf"))
    with losing(wings[0], torch=of_torch, tf=of_tf), losing(wings[-1], torch=of_torch, tf=of_tf):
        yield


@contextmanager
def softmax_before(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Take a softmax before a loss that takes another one."""
    with losing(
        one_wing(rng),
        torch=lambda z, y, **_: F.cross_entropy(F.softmax(z, 1), y),
        tf=lambda z, y, **_: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.nn.softmax(z))),
    ):
        yield


@contextmanager
def from_probabilities(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Take logits for probabilities, as Keras's losses do by default."""
    loss = keras.losses.SparseCategoricalCrossentropy(dtype="float64")
    with losing(
        one_wing(rng),
        torch=lambda z, y, **_: F.cross_entropy(z.clip(1e-7, 1 - 1e-7).log(), y),
        tf=lambda z, y, **_: loss(y, z),
    ):
        yield


FAULTS = [
    Fault("rgb-bgr", RESNET, other_channel_order),
    Fault("input-scaling", RESNET, other_range),
    Fault("jpeg-decode", RESNET, quick_jpeg),
    Fault("resize-antialias", RESNET, no_antialias),
    Fault("data-order", RESNET, other_order),
    Fault("loss-mean", RESNET, fixed_divisor),
    Fault("label-smoothing", RESNET, smoothed_labels),
    Fault("label-smoothing", SMALL, weighed_classes),
    Fault("logits-or-probabilities", RESNET, softmax_before),
    Fault("logits-or-probabilities", SMALL, from_probabilities),
]
