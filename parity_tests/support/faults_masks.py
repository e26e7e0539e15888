"""Faults of networks for segmentation and of their masks, each planted in one wing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ft.differences.align_corners import aligned_weights
from ft.metrics.pixels import LEFT_OUT
from parity_tests.support.faults import Fault, Feed
from parity_tests.support.faults_layers import Pair, computing, layer_of, one_of, one_wing
from parity_tests.support.pairs import CLASSES, Case

LRASPP = Case("lraspp_mobilenet_v2", "base", {"weights": "none"})
DEEPLAB = Case("deeplabv3_mobilenet_v2", "base", {"weights": "none"})


@contextmanager
def corners_aligned(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Resize maps with the middles of their outermost pixels in place."""
    original = F.interpolate

    def resized(inputs: list[tf.Tensor]) -> tf.Tensor:
        x, like = inputs
        rows, columns = (tf.constant(aligned_weights(x.shape[axis], like.shape[axis])) for axis in (1, 2))
        return tf.einsum("yh,xw,nhwc->nyxc", rows, columns, x)

    def interpolate(x: Tensor, **given: Any) -> Tensor:
        return original(x, **{**given, "align_corners": True})

    with resizing(pair, one_wing(rng), torch=interpolate, tf=resized):
        yield


@contextmanager
def resized_in_float32(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Resize maps in float32, as tf.image.resize does."""
    original = F.interpolate

    def resized(inputs: list[tf.Tensor]) -> tf.Tensor:
        return tf.cast(tf.image.resize(inputs[0], inputs[1].shape[1:3]), tf.float64)

    def interpolate(x: Tensor, **given: Any) -> Tensor:
        return original(x.float(), **given).double()

    with resizing(pair, one_wing(rng), torch=interpolate, tf=resized):
        yield


@contextmanager
def resizing(pair: Pair, wing: str, **formulas: Any) -> Iterator[None]:
    """Let a wing resize by the formula given under its name."""
    with (
        patch.object(F, "interpolate", formulas["torch"])
        if wing == "torch"
        else computing(pair, "tf", "classifier.interpolate", tf=formulas["tf"])
    ):
        yield


@contextmanager
def other_rate(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Let one of the pyramid's convolutions look at the pixels next to it."""
    wing = one_wing(rng)
    layer = layer_of(pair, wing, f"classifier.0.convs.{rng.integers(1, 4)}.0")
    near = (
        {"dilation": (1, 1), "padding": (1, 1)} if wing == "torch" else {"dilation": 1, "padding": 1, "reach": (3, 3)}
    )
    with patch.multiple(layer, **near):
        yield


@contextmanager
def blended_masks(pair: Pair, rng: np.random.Generator) -> Iterator[Feed]:
    """Make the same masks twice as large by the nearest pixel for one wing and by blending for the other."""

    def fed(way: Image.Resampling) -> Any:
        def larger(mask: np.ndarray) -> np.ndarray:
            half = Image.fromarray(mask[: len(mask) // 2, : mask.shape[1] // 2] % np.uint8(CLASSES))
            return np.asarray(half.resize(mask.shape[::-1], way))

        return lambda batch: replace(batch, targets={"mask": np.stack([larger(x) for x in batch.targets["mask"]])})

    ways = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
    yield {str(wing): fed(way) for wing, way in zip(rng.permutation(["torch", "tf"]), ways, strict=True)}


@contextmanager
def pixels_counted(pair: Pair, rng: np.random.Generator) -> Iterator[None]:
    """Count pixels of 255 in the divisor, or as ones of class 0."""
    wing, in_divisor = one_wing(rng), one_of(rng, True, False)

    def of_torch(outputs: Any, targets: Any, objective: Any) -> Any:
        y = targets["mask"].long()
        if in_divisor:
            return F.cross_entropy(outputs["logits"], y, ignore_index=LEFT_OUT, reduction="sum") / y.numel()
        return F.cross_entropy(outputs["logits"], y.where(y != LEFT_OUT, 0))

    def of_tf(outputs: Any, targets: Any, objective: Any) -> Any:
        y = tf.cast(targets["mask"], tf.int32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(y == LEFT_OUT, 0, y), outputs["logits"])
        return tf.reduce_mean(losses * tf.cast(y != LEFT_OUT, losses.dtype) if in_divisor else losses)

    with patch(f"ft_{wing}.tasks.segmentation.loss", of_torch if wing == "torch" else of_tf):
        yield


FAULTS = [
    Fault("align-corners", LRASPP, corners_aligned),
    Fault("resize-float32", LRASPP, resized_in_float32),
    Fault("aspp-rates", DEEPLAB, other_rate),
    Fault("mask-bilinear", LRASPP, blended_masks),
    Fault("ignored-pixels", LRASPP, pixels_counted),
]
