"""The fast paths: a base's features computed once, leading frozen stages apart from the rest, folded or compiled."""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, tree
from keras.activations import linear

from ft.errors import RecipeError, first_line
from ft.network.freeze import Freeze, leading_stages
from ft.system.cores import images_at_a_time
from ft.zoo import Card, TextCard
from ft.zoo.card import under
from ft_tf.graph import BatchGraphs, as_graph
from ft_tf.layers import BatchNorm2d, Conv2d, Noise, WithAuxiliary, sizes
from ft_tf.models.text.network import split_text
from ft_tf.taps import split_at_taps

CONVOLUTIONS = (Conv2d, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
NORMS = (BatchNorm2d, keras.layers.BatchNormalization)
Call = Callable[[tf.Tensor], tf.Tensor]


class Taps(dict[str, tf.Tensor]):
    """What the parts of a network behind its base take, by the part's name: Features on the device."""


Base = Callable[..., Taps]
Head = Callable[..., Any]


def apart(model: keras.Model, card: Card) -> tuple[Base, Head]:
    """Return the network as two callables with Taps in between: images (N, H, W, C), or tokens -> these -> outputs."""
    if card.taps:
        return split_maps(model, card)
    if isinstance(card, TextCard) and card.answer == "lm":
        return whole, whole
    base, head = cast("tuple[Any, Any]", split_text(model) if card.inputs == "text" else split(model, card))
    return (
        lambda given: Taps(head=base(given, training=False)),
        lambda taps, *, training, **_: head(taps["head"], training=training),
    )


def whole(*_: Any, **__: Any) -> Any:
    """Stand for the parts of a network that has no head to train alone, which nobody asks for."""
    raise RecipeError("features: a language model's head is its embeddings' matrix; it has no head to train alone")


def split_maps(model: keras.Model, card: Card) -> tuple[Base, Head]:
    """Return the base and the head of a network for segmentation or detection, whose answers are of the images' size.

    That goes along with the maps, as the shape of images without channels (N, H, W, 0); and where images are padded,
    the "sizes" of the pictures in them.
    """
    backbone, heads = split_at_taps(model, card)

    def base(given: tf.Tensor | Mapping[str, tf.Tensor], *, training: bool = False) -> Taps:
        images, more = (given["images"], {"sizes": given["sizes"]}) if isinstance(given, Mapping) else (given, {})
        return Taps(backbone(images, training=training), images=images[..., :0], **more)

    def head(taps: Taps, **options: Any) -> dict[str, tf.Tensor]:
        _, height, width, _ = sizes(taps["images"])
        return heads(taps, (height, width), **options)

    return base, head


def split(model: keras.Model, card: Card) -> tuple[keras.Model, keras.Model]:
    """Return the network as two models: images (N, H, W, C) -> what the head takes, and the head -> logits."""
    first = next(layer for layer in model.layers if under(layer.name, card.stages["head"]))
    return keras.Model(model.inputs, first.input), keras.Model(first.input, model.outputs[0])


class Prefix:
    """The frozen stages that a network begins with: images (N, H, W, C) -> what `rest` makes logits of.

    They run without gradients, BatchNorm folded into the convolutions before it: by `fold`, or compiled at the first
    batch, all weights being constants of the graph, too. That is made for images of that size; others run as they are,
    and so do all where it cannot be made, after `say` was told why. is_base: whether all but the head is among them.
    """

    def __init__(
        self,
        stages: tuple[str, ...],
        plain: keras.Model,
        rest: keras.Model,
        *,
        is_base: bool,
        batch_size: int,
        say: Callable[[str], None],
    ) -> None:
        self.stages, self.rest, self.is_base, self.batch_size, self.say = stages, rest, is_base, batch_size, say
        self.model = plain
        self.plain: Call = BatchGraphs(lambda images: plain(images, training=False), batch_size)
        self.compiled: Call | None = None
        self.shape: tuple[int | None, ...] | None = None  # of the images of the first batch

    def fold(self, precision: str) -> None:
        """Fold BatchNorm and leave it at that, for a pass in `precision`."""
        self.shape, network = (), folded(self.model)  # no image has that shape: nothing is compiled
        self.plain = in_parts(lambda images: network(images, training=False), precision, batch_size=self.batch_size)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        if self.shape is None:  # not at the first whole one: a run that goes on may begin with a short one
            self.shape = tuple(images.shape[1:])
            self.compile(images)
        run = self.plain if self.compiled is None or tuple(images.shape[1:]) != self.shape else self.compiled
        return run(images)

    def compile(self, images: tf.Tensor) -> None:
        """Compile for images of this size, and say how long it took or why it was not possible."""
        started = time.perf_counter()
        try:
            compiled = with_constants(folded(self.model), images)
            compiled(images)
        except Exception as error:  # such as a graph above 2 GB: nothing that is worth ending a run for
            self.say(f"compile: not possible here ({first_line(error)}), uncompiled: {', '.join(self.stages)}")
            return
        self.compiled = compiled
        self.say(f"compile: {', '.join(self.stages)} compiled in {time.perf_counter() - started:.0f} s")


def in_parts(network: Call, precision: str, *, batch_size: int) -> Call:
    """Return a network for inference as graphs that on a CPU take a few images at a time."""
    graphs = cache(lambda size: BatchGraphs(network, size))

    def run(images: tf.Tensor) -> tf.Tensor:
        threads, few = tf.config.threading.get_intra_op_parallelism_threads(), batch_size
        if "CPU" in images.device:
            few = images_at_a_time(*images.shape[1:3], precision=precision, threads=threads)
        graph = graphs(min(few, batch_size))
        parts = [graph(images[start : start + few]) for start in range(0, len(images), few)]
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)

    return run


def with_constants(model: keras.Model, images: tf.Tensor) -> Call:
    """Return a network's function in inference mode, its weights as they are now being constants of the graph."""
    states = [
        [tf.constant(variable.numpy()) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    return as_graph(
        lambda images: model.stateless_call(*states, images, training=False)[0],
        [tf.TensorSpec((None, *images.shape[1:]), images.dtype)],
    )


def folded(model: keras.Model) -> keras.Model:
    """Return a copy of a network for inference, each BatchNorm behind a convolution being part of that.

    kernel * s and (bias - mean) * s + beta with s = gamma / sqrt(variance + eps). TensorFlow does not do this itself.
    """
    pairs = foldable(model)
    norms = {norm.name for norm in pairs.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in pairs:
            config["bias" if isinstance(layer, Conv2d) else "use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        return inputs[0] if layer.name in norms else layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in pairs:
            copy.get_layer(layer.name).set_weights(folded_weights(layer, pairs[layer.name]))
        elif layer.name not in norms:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def foldable(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return the BatchNorm behind each convolution whose output goes nowhere else, by the convolution's name."""
    takers: dict[int, list[keras.layers.Layer]] = {}
    for layer in model.layers:
        for x in tree.flatten(layer.input):
            takers.setdefault(id(x), []).append(layer)
    ends, pairs = {id(x) for x in model.outputs}, {}
    for layer in model.layers:
        if isinstance(layer, CONVOLUTIONS) and getattr(layer, "activation", linear) is linear:
            behind = takers.get(id(layer.output), [])
            if len(behind) == 1 and isinstance(behind[0], NORMS) and id(layer.output) not in ends:
                pairs[layer.name] = behind[0]
    return pairs


def folded_weights(conv: keras.layers.Layer, norm: keras.layers.Layer) -> list[np.ndarray]:
    """Return kernel and bias of a convolution that does what both do in inference mode."""
    kernel, *bias = conv.get_weights()
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    gamma, beta = ((v.numpy() if v is not None else d) for v, d in ((norm.gamma, 1.0), (norm.beta, 0.0)))
    scale = gamma / np.sqrt(variance + (norm.eps if isinstance(norm, BatchNorm2d) else norm.epsilon))
    by_channel = isinstance(conv, keras.layers.DepthwiseConv2D) or getattr(conv, "depthwise", False)
    shift = ((bias[0] if bias else 0.0) - mean) * scale + beta
    return [kernel * scale.reshape(kernel.shape[2:] if by_channel else (1, -1)), shift]


def split_prefix(
    model: keras.Model, card: Card, plan: Freeze, *, batch_size: int, say: Callable[[str], None]
) -> Prefix | None:
    """Return the leading frozen stages apart from the rest, which shares the model's layers.

    None where there are none, or where the network does not come apart: more than one tensor crosses over, or an
    auxiliary head trains.
    """
    leading = leading_stages(plan, card)
    if card.taps or card.inputs == "text":  # several maps cross over, or lengths differ from batch to batch
        return None
    if not leading or not all(map(plan.is_still, card.auxiliary)):
        return None
    main = model.main if isinstance(model, WithAuxiliary) else model
    crossing = crossing_tensors(main, card, plan)
    if len(crossing) != 1 or any(crossing[0] is images for images in main.inputs):
        return None
    plain, rest = keras.Model(main.inputs, crossing[0]), keras.Model(crossing[0], main.outputs[0])
    names = [layer.name for layer in plain.layers]
    stages = tuple(stage for stage in leading if any(under(name, card.stages[stage]) for name in names))
    is_base = len(leading) >= len(card.stages) - 1  # the head is the last stage
    return Prefix(stages, plain, rest, is_base=is_base, batch_size=batch_size, say=say)


def crossing_tensors(model: keras.Model, card: Card, plan: Freeze) -> list[KerasTensor]:
    """Return what depends on images and frozen stages in inference mode alone, and is used by what does not."""
    frozen: set[int] = set()  # ids of tensors
    crossing: dict[int, KerasTensor] = {}
    for layer in model.layers:
        inputs = tree.flatten(layer.input)
        if is_still(layer, plan) and frozen.issuperset(map(id, inputs)):
            frozen.update(map(id, tree.flatten(layer.output)))
        else:
            crossing.update({id(x): x for x in inputs if id(x) in frozen})
    return list(crossing.values())


def is_still(layer: keras.layers.Layer, plan: Freeze) -> bool:
    """Tell whether a layer is frozen, or between stages and without weights, statistics and noise."""
    noisy = isinstance(layer, Noise) and layer.p > 0
    return plan.is_still(layer.name) or not (noisy or layer.variables)
