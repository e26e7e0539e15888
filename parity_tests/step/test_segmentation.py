"""Every network for segmentation, whole, in float64 and both wings: inference, a training pass with every gradient.

Drawn weights, every constant start randomised, dropout on, no two axes alike, sides that no stride divides. Four
images, for behind DeepLabV3's pooling BatchNorm sees one value of each: of two it leaves nothing but the sign.
"""

from dataclasses import dataclass
from itertools import chain

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn
from torchvision.models import mobilenet_v2, segmentation
from torchvision.models.segmentation.deeplabv3 import _deeplabv3_mobilenetv3
from torchvision.models.segmentation.fcn import FCN, FCNHead
from torchvision.models.segmentation.lraspp import _lraspp_mobilenetv3

import ft_tf
import ft_torch
from ft.noise import generator
from ft.parity.arrays import ZERO, Tensors, compare, require_equal
from ft.zoo import Card, cards
from ft.zoo.card import under
from ft_tf import layers as tf_layers
from ft_tf.precision import computing as keras_computing
from ft_tf.taps import split_at_taps as split_keras
from ft_tf.weights import layout_of
from ft_tf.weights import to_array as keras_array
from ft_torch import layers as torch_layers
from ft_torch.precision import computing as torch_computing
from ft_torch.taps import split_at_taps as split_torch
from ft_torch.weights import to_array
from parity_tests.support.networks import marks_of
from parity_tests.support.pairs import FORWARD, STEP, drawn_tensors

CLASSES = 7
IMAGES = (4, 37, 46, 3)
QUICK = {"lraspp_mobilenet_v2", "deeplabv3_mobilenet_v3_large"}
STOCK = segmentation.__dict__
CASES = [
    pytest.param(card, id=card.name, marks=[] if card.name in QUICK else marks_of(card))
    for card in cards("segmentation")
]


@dataclass
class Pair:
    """A network in both wings with the same weights, and images for it."""

    card: Card
    torch: nn.Module
    keras: object
    images: np.ndarray

    @property
    def nchw(self) -> torch.Tensor:
        return torch.from_numpy(self.images).permute(0, 3, 1, 2)


def pair_of(card: Card, dtype: str = "float64") -> Pair:
    made = [
        wing.build_model(card.name, num_classes=CLASSES, dtype=dtype, options=card.options())
        for wing in (ft_torch, ft_tf)
    ]
    shapes = ft_torch.weight_shapes(made[0])
    assert ft_tf.weight_shapes(made[1]) == shapes
    start = drawn_tensors(card, shapes, seed=0)
    for wing, model in zip((ft_torch, ft_tf), made, strict=True):
        wing.set_weights(model, start)
        wing.seed_noise(model, 3)
    return Pair(card, *made, generator(0, "maps").normal(size=IMAGES).astype(dtype))


def as_nhwc(maps) -> dict[str, np.ndarray]:
    return {name: x.detach().permute(0, 2, 3, 1).numpy() for name, x in maps.items()}


def as_numpy(maps) -> dict[str, np.ndarray]:
    return {name: x.numpy() for name, x in maps.items()}


def torch_step(pair: Pair, cotangents: Tensors) -> tuple[Tensors, Tensors]:
    """Return logits and gradients of a training pass, of the sum of the logits times given numbers."""
    with torch_layers.noise(pair.torch.train(), torch.tensor([5, 8])):
        logits = pair.torch(pair.nchw)
    numbers = {name: torch.from_numpy(x).permute(0, 3, 1, 2) for name, x in cotangents.items()}
    total = torch.stack([(logits[name] * x).sum() for name, x in numbers.items()]).sum()
    weights = ft_torch.parameters(pair.torch)
    gradients = torch.autograd.grad(total, list(weights.values()))
    return as_nhwc(logits), {name: to_array(g) for name, g in zip(weights, gradients, strict=True)}


def keras_step(pair: Pair, cotangents: Tensors) -> tuple[Tensors, Tensors]:
    """Return the same of the other wing."""
    weights = ft_tf.parameters(pair.keras)
    with tf.GradientTape() as tape:
        with tf_layers.noise(pair.keras, tf.constant([5, 8], tf.int64)):
            logits = pair.keras(tf.constant(pair.images), training=True)
        total = tf.add_n([tf.reduce_sum(logits[name] * x) for name, x in cotangents.items()])
    gradients = tape.gradient(total, {name: w.value for name, w in weights.items()})
    return as_numpy(logits), {name: keras_array(g, layout_of(weights[name])) for name, g in gradients.items()}


def stock_of(card: Card) -> nn.Module:
    """Return torchvision's own network, or what its parts make of its own MobileNetV2, dilated by hand."""
    if card.name in STOCK:
        auxiliary = {"aux_loss": True} if card.auxiliary else {}
        return STOCK[card.name](weights_backbone=None, num_classes=CLASSES, **auxiliary)
    settings = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 1),
        (6, 320, 1, 1),
    ]
    body = mobilenet_v2(inverted_residual_setting=settings)
    for conv in chain(*(block.modules() for block in body.features[14:18])):
        if isinstance(conv, nn.Conv2d) and conv.groups > 1:
            conv.dilation = conv.padding = (2, 2)
    body.features[14]._is_cn = True  # which its stride would say
    if card.family == "lraspp":
        return _lraspp_mobilenetv3(body, CLASSES)
    deeplab = _deeplabv3_mobilenetv3(body, CLASSES, aux=True)
    if card.family == "deeplabv3":
        return deeplab
    return FCN(deeplab.backbone, FCNHead(1280, CLASSES), deeplab.aux_classifier)


@pytest.mark.parametrize("card", CASES)
def test_network(card, say):
    pair = pair_of(card)
    require_as_stock(pair)
    assert windows(pair)[0] == windows(pair)[1]
    with torch.no_grad():
        ours = as_nhwc(pair.torch.eval()(pair.nchw))
    theirs = as_numpy(pair.keras(tf.constant(pair.images)))
    assert {name: x.shape for name, x in ours.items()} == dict.fromkeys(outputs_of(card), (*IMAGES[:3], CLASSES))
    inference = require_equal(ours, theirs, bar=FORWARD, what="inference")
    require_apart(pair, ours)

    cotangents = {name: generator(1, "cotangents", len(name)).normal(size=x.shape) for name, x in ours.items()}
    (logits, gradients), (others, their_gradients) = torch_step(pair, cotangents), keras_step(pair, cotangents)
    require_equal(logits, others, bar=STEP, what="training")
    apart = require_equal(gradients, their_gradients, bar=STEP, zero=ZERO, what="gradients")
    require_equal(ft_torch.get_weights(pair.torch), ft_tf.get_weights(pair.keras), bar=STEP, what="statistics")
    say(f"{card.name}: inference {inference.largest:.1e}, gradients {apart.largest:.1e}, {len(apart.zeros)} zero")


def outputs_of(card: Card) -> tuple[str, ...]:
    return ("out", "aux") if card.auxiliary else ("out",)


def require_as_stock(pair: Pair):
    """Torchvision's network takes the weights strictly and gives the same, but for the hard sigmoid's rounding."""
    stock = stock_of(pair.card).double().eval()
    stock.load_state_dict(pair.torch.state_dict(), strict=True)
    with torch.no_grad():
        theirs, ours = as_nhwc(stock(pair.nchw)), as_nhwc(pair.torch.eval()(pair.nchw))
    require_equal(ours, theirs, bar=FORWARD if "v3_large" in pair.card.name else 0.0, what="stock")


def require_apart(pair: Pair, whole: Tensors):
    """Base and head, one after the other, are the network, and the base's maps are the same in both wings."""
    base, head = split_torch(pair.torch, pair.card)
    keras_base, keras_head = split_keras(pair.keras, pair.card)
    maps, size = base(pair.nchw), IMAGES[1:3]
    keras_maps = keras_base(tf.constant(pair.images))
    assert maps.keys() == keras_maps.keys() == pair.card.taps.keys()
    require_equal(as_nhwc(maps), as_numpy(keras_maps), bar=FORWARD, what="maps")
    require_equal(as_nhwc(head(maps, size)), whole, bar=0.0, what="head")
    require_equal(as_numpy(keras_head(keras_maps, size)), whole, bar=FORWARD, what="Keras's head")
    alone = head(maps, size, auxiliary=False), keras_head(keras_maps, size, auxiliary=False)
    assert [list(outputs) for outputs in alone] == [["out"], ["out"]]
    learning = [name for name, _ in head.named_parameters()]
    assert learning == [n for n in ft_torch.parameters(pair.torch) if under(n, pair.card.stages["head"])]


def windows(pair: Pair) -> list[dict[str, tuple]]:
    """Return stride, padding, dilation and groups of every convolution, of torch's network and of Keras's."""
    theirs = [module for module in pair.torch.named_modules() if isinstance(module[1], nn.Conv2d)]
    ours = [layer for layer in pair.keras.layers if isinstance(layer, tf_layers.Conv2d)]
    return [
        {name: (conv.stride[0], conv.padding, conv.dilation[0], conv.groups) for name, conv in theirs},
        {x.name: (x.stride, tf_layers.pair(x.padding), x.dilation, x.groups) for x in ours},
    ]


@pytest.mark.parametrize("family", ["lraspp", "deeplabv3"])
def test_logits_in_bfloat16_are_float32(family):
    """On their whole way to the image's size, in both wings; two rounded logits are often equal."""
    card = next(card for card in cards("segmentation") if card.name == f"{family}_mobilenet_v2")
    pair = pair_of(card, "float32")
    with torch.no_grad(), torch_computing(pair.torch.eval(), card, "bfloat16"):
        ours = pair.torch(pair.nchw)
    with keras_computing(pair.keras, card, "bfloat16"):
        theirs = pair.keras(tf.constant(pair.images))
    for x in (*as_nhwc(ours).values(), *as_numpy(theirs).values()):
        assert x.dtype == np.float32
        assert (x != x.astype(ml_dtypes.bfloat16)).any()
    require_equal(as_nhwc(ours), as_numpy(theirs), bar=0.05)


def test_a_rate_of_another_paper_is_seen():
    """On a map that the first rate reaches into; a smaller one shows no dilation of the pyramid but by its settings."""
    pair = pair_of(next(card for card in cards("segmentation") if card.name == "deeplabv3_mobilenet_v2"))
    pair.images = generator(0, "large").normal(size=(2, 211, 226, 3))
    theirs = as_numpy(pair.keras(tf.constant(pair.images)))
    far = pair.torch.eval().get_submodule("classifier.0.convs.1.0")
    with torch.no_grad():
        require_equal(as_nhwc(pair.torch(pair.nchw)), theirs, bar=FORWARD)
        far.dilation = far.padding = (6, 6)
        assert compare(as_nhwc(pair.torch(pair.nchw)), theirs, bar=FORWARD).faults
    assert len({name for name, *_ in set(windows(pair)[0].items()) ^ set(windows(pair)[1].items())}) == 1
