"""float32: neither wing is noisier than the other, measured against its own float64 run.

A tensor's noise is its distance from the wing's own float64 run, in the median of five seeds. The float64 run takes
the side of every ReLU's kink that the float32 run took (kinks.py): a flip is no rounding. A BatchNorm's mean is
measured by the spread of the values that it is a mean of: rounding is relative to these, and means cancel.
"""

import tomllib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ft.backend import Learner
from ft.compare import ZERO, Tensors, compare, relative_difference
from ft.weights import cast
from ft.zoo import find_card
from ft_torch.learner import as_nchw
from parity_tests.kinks import Sides, same_sides
from parity_tests.networks import case_of, images_of, shapes_of, smallest_of_each_family
from parity_tests.pairs import CASES, Case, learners, starting_tensors

pytestmark = pytest.mark.usefixtures("eager")
SEEDS, RATIO, LOSS = 5, 4, 1e-5
FLOOR = 4 * np.finfo(np.float32).eps  # 4 ulp
# a gentle rate: a step of 0.001 takes a third of the loss away on these images and carries single ReLU flips with it,
# which move each wing up to 1e-4 from its own float64 run, so that the loss says nothing of the wings
GENTLE, GENTLER = {"lr": 1e-5}, {"lr": 1e-7}  # drawn weights have gradients that are larger by orders
DEEP = [Case("resnet18", "none", GENTLE), Case("efficientnet_lite0", "none", GENTLE)]
FAMILIES = [
    replace(case, fields={**case.fields, **GENTLER})
    for case in map(case_of, smallest_of_each_family())
    if case.model not in {deep.model for deep in DEEP}
]


@pytest.fixture
def contiguous(monkeypatch):
    """Run the torch wing in PyTorch's own layout: known_divergences.toml says why."""
    monkeypatch.setattr("torch.channels_last", torch.contiguous_format)
    monkeypatch.setattr("ft_torch.learner.as_nchw", lambda images: as_nchw(images).contiguous())


def test_channels_last_batchnorm_is_still_the_noisier():
    divergences = tomllib.loads(Path(__file__).with_name("known_divergences.toml").read_text())
    assert divergences.keys() == {"channels-last-batchnorm"}
    pixels = torch.randn(8, 32, 32, 32, generator=torch.Generator().manual_seed(0)) + 0.3
    error = {}
    for layout in ("preserve_format", "channels_last"):
        norm = torch.nn.BatchNorm2d(32, momentum=1.0)
        norm(pixels.to(memory_format=getattr(torch, layout)))
        error[layout] = (norm.running_mean - pixels.double().mean((0, 2, 3))).abs().max()
    assert error["channels_last"] > RATIO * error["preserve_format"]


def noise_of_each_wing(case: Case) -> dict[str, dict[str, float]]:
    """Return, by wing, the noise of every tensor. Compares the losses after the step as well."""
    pairs = {dtype: learners(case, precision=dtype) for dtype in ("float32", "float64")}
    shapes, distances = shapes_of(case), {"torch": defaultdict(list), "tf": defaultdict(list)}
    for seed in range(SEEDS):
        start = cast(starting_tensors(case, shapes, seed=seed), "float32")  # the float64 run starts from these, too
        images, labels = images_of(find_card(case.model), "float32", seed=seed)
        loss, lr = {}, np.float64(case.recipe().lr)
        for wing, own in distances.items():
            sides, runs = Sides(), {}
            for dtype, pair in pairs.items():
                with same_sides(wing, sides):
                    runs[dtype] = one_step(pair[wing], start, images, labels, lr)
            loss[wing] = runs["float32"].pop("loss")
            for name, distance in from_double(runs["float32"], runs["float64"]).items():
                own[name].append(distance)
        assert abs(loss["torch"] - loss["tf"]) <= LOSS * abs(loss["torch"])
    return {wing: {name: float(np.median(d)) for name, d in own.items()} for wing, own in distances.items()}


def from_double(single: Tensors, double: Tensors) -> dict[str, float]:
    """Return the distance of every tensor from its float64 value; where that is zero, float32 has nothing but noise."""
    zeros = compare(double, double, bar=0, zero=ZERO).zeros
    return {name: distance(name, single, double) for name in single if name not in zeros}


def distance(name: str, single: Tensors, double: Tensors) -> float:
    """Return the largest difference of a tensor, relative to its largest magnitude, or to the spread of its values."""
    if not name.endswith("_mean"):
        return relative_difference(single[name], double[name])
    spread = np.sqrt(double[name.removesuffix("mean") + "var"].max())
    return float(np.abs(single[name] - double[name]).max() / max(spread, np.abs(double[name]).max()))


def one_step(
    learner: Learner, start: Tensors, images: np.ndarray, labels: np.ndarray, lr: np.float64
) -> dict[str, np.ndarray]:
    """Return the arrays of one step: logits, gradients, statistics, and the loss after the update."""
    learner.set_weights(start)
    learner.set_slots({name: np.zeros_like(slot) for name, slot in learner.get_slots().items()})
    _, logits, gradients = learner.gradients(images, labels, step=0)
    statistics = {name: t for name, t in learner.get_weights().items() if name.endswith(("_mean", "_var"))}
    learner.update(gradients, lr=lr)
    loss, _, _ = learner.gradients(images, labels, step=1)
    return {
        "logits": logits,
        "loss": np.array(loss),
        **statistics,
        **{f"gradient {n}": g for n, g in gradients.items()},
    }


@pytest.mark.parametrize(
    "case",
    [CASES[0], *(pytest.param(case, marks=pytest.mark.slow) for case in [CASES[2], *DEEP, *FAMILIES])],
    ids=str,
)
@pytest.mark.usefixtures("contiguous")
def test_neither_wing_is_noisier(case, say):
    noise = noise_of_each_wing(case)
    assert noise["torch"].keys() == noise["tf"].keys()
    ratios = {name: noisier(a, noise["tf"][name]) for name, a in noise["torch"].items()}
    typical = ", ".join(f"{wing} {np.median(list(own.values())):.1e}" for wing, own in noise.items())
    say(f"float32 noise, {case}: largest ratio {max(ratios.values()):.2f}, median of {len(ratios)} tensors {typical}")
    assert not {name: ratio for name, ratio in ratios.items() if ratio > RATIO}


def noisier(a: float, b: float) -> float:
    """Return how many times the noisier wing's distance is the other's, both taken to be at least 4 ulp."""
    return max(a, b, FLOOR) / max(min(a, b), FLOOR)


@pytest.mark.parametrize(
    ("case", "layer"),
    [
        (Case("resnet18", "base", {"lr": 0.001}), "layer4.1.conv2"),
        pytest.param(DEEP[1], "features.4.2.block.2.0", marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.usefixtures("contiguous")
def test_an_intermediate_rounded_to_bfloat16_is_caught(case, layer, monkeypatch):
    import tensorflow as tf

    from ft_tf.layers import Conv2d

    call = Conv2d.call

    def rounded(self, x):
        y = call(self, x)
        return tf.cast(tf.cast(y, tf.bfloat16), y.dtype) if self.name == layer and y.dtype == tf.float32 else y

    monkeypatch.setattr(Conv2d, "call", rounded)
    with pytest.raises(AssertionError):
        test_neither_wing_is_noisier(case, print)
