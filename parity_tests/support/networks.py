"""One network of the zoo in both wings, one wing after the other: inference, then a training step by mode.

What a wing makes of a large network waits on the disk for the other wing, so that the largest fit into 20 GB.
"""

import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ft.backend import contract as backend
from ft.backend.calls import Calls
from ft.backend.contract import Learner
from ft.data import Batch
from ft.network.freeze import Freeze, plan_freeze
from ft.parity.arrays import ZERO, Comparison, Tensors, compare
from ft.tasks.objective import objective_of
from ft.weights import cast
from ft.zoo import Card, cards
from parity_tests.support.pairs import FORWARD, STEP, Case, batch, build_network, one_learner, starting_tensors

# the smallest at which every BatchNorm sees 32 values of a batch; Inception's auxiliary head makes 4 x 4 of its own
SIZES = {"inception": 443, "maxvit": 224}
LARGE_IMAGES = {"inception", "maxvit"}
ALONE = 150_000_000  # parameters: two such networks at a time want more than 20 GB
MODES = {"head": "base", "whole": "none"}
ON_DISK = 60_000_000  # parameters: from there on arrays wait on the disk
GIANT = 400_000_000  # parameters: from there on one parameter of each kind is trained, all of them take part


@dataclass
class Outcome:
    """What one wing makes of a network: named arrays by part, and what was recorded of its layers, if asked for."""

    parts: dict[str, Tensors] = field(default_factory=dict)
    inference: Calls = field(default_factory=Calls)
    training: Calls = field(default_factory=Calls)


class OnDisk(Mapping):
    """Arrays in a folder, one file each; reading one maps it into memory."""

    def __init__(self, folder: Path, tensors: Tensors) -> None:
        folder.mkdir(parents=True)
        self.files = {name: folder / f"{number}.npy" for number, name in enumerate(tensors)}
        for name, file in self.files.items():
            np.save(file, tensors[name])

    def __getitem__(self, name: str) -> np.ndarray:
        return np.load(self.files[name], mmap_mode="c")

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def image_size(card: Card) -> int:
    """Return the size of the test images: 64 pixels, or the next that the network can take."""
    size = SIZES.get(card.family, max(64, card.min_size))
    return -(-size // card.size_step) * card.size_step


def images_of(card: Card, dtype: str = "float64", *, seed: int = 0) -> Batch:
    """Return a batch for a network: 8 images, or 2 large ones, one pale and one of strong contrast."""
    size = image_size(card)
    drawn = batch(seed, size=size, count=2 if size > 200 else 8, dtype=dtype)
    images = np.asarray(drawn.inputs)
    if len(images) == 2:  # two of a kind are so alike after many layers that BatchNorm divides by next to nothing
        images *= np.array([0.5, 2], dtype)[:, None, None, None]
    return replace(drawn, inputs=in_range(card, images))


def in_range(card: Card, images: np.ndarray) -> np.ndarray:
    """Return images around 0 as a network takes them: one that takes plain pixels divides them by 255, and numbers
    around 0 would all but vanish behind its mean.
    """
    return 128 + 64 * images if card.preprocess.mode == "raw" else images


def smallest_of_each_family() -> list[Card]:
    """Return the card with the fewest parameters of every family."""
    smallest = {card.family: card for card in sorted(cards(), key=lambda card: -card.parameters)}
    return list(smallest.values())


def marks_of(card: Card, *, pairs: int = 1, record: bool = False) -> list[pytest.MarkDecorator]:
    """Return the marks of a network that `make test` leaves out.

    pairs: how many of it each wing has at a time; record: whether the outputs of all layers are kept.
    """
    alone = card.parameters * pairs >= ALONE or (record and card.family in LARGE_IMAGES)
    return [pytest.mark.slow, pytest.mark.large] if alone else [pytest.mark.slow]


def case_of(card: Card, freeze: str = "none") -> Case:
    """Return the case of a network with drawn weights and its noise on; a first momentum would be the gradient."""
    return Case(card.name, freeze, {"image_size": image_size(card), "weights": "none", "momentum": 0.0})


def shapes_of(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a case's network, without memory for them."""
    with torch.device("meta"):
        return backend.load("torch").weight_shapes(build_network("torch", case.recipe()))


def compare_outcomes(
    torch: Outcome, tf: Outcome, *, leave_out: Mapping[str, Collection[str]] | None = None
) -> dict[str, Comparison]:
    """Return how the wings compare in each part: "inference", and "MODE forward|gradients|step".

    leave_out: by part, the names of arrays not to compare.
    """
    parts = {}
    for part, tensors in torch.parts.items():
        left_out = (leave_out or {}).get(part, ())
        pair = ({n: t for n, t in own.items() if n not in left_out} for own in (tensors, tf.parts[part]))
        parts[part] = compare(*pair, bar=bar_of(part), zero=zero_of(part))
    return parts


def bar_of(part: str) -> float:
    """Return the largest difference that counts as equal."""
    return FORWARD if part == "inference" else STEP


def zero_of(part: str) -> float:
    """Return the share below which an array is zero but for rounding: only gradients have such arrays."""
    return ZERO if part.endswith("gradients") else 0.0


def run_network(
    card: Card, folder: str, *, dtype: str = "float64", modes: tuple[str, ...] = ("whole",), record: bool = False
) -> list[Outcome]:
    """Return what torch and what TensorFlow make of a network from the same drawn weights."""

    def keep(name: str, tensors: Tensors) -> Tensors:
        return tensors if card.parameters < ON_DISK else OnDisk(Path(folder, dtype, name), tensors)

    drawn = starting_tensors(case_of(card), shapes_of(case_of(card)), seed=0)
    start = keep("start", cast(drawn, dtype))
    del drawn
    outcomes = []
    for name in ("torch", "tf"):
        outcomes.append(
            run_wing(name, card, start, dtype, modes, lambda part, t, n=name: keep(f"{n} {part}", t), record)
        )
        gc.collect()
    return outcomes


def run_wing(
    name: str,
    card: Card,
    start: Tensors,
    dtype: str,
    modes: tuple[str, ...],
    keep: Callable[[str, Tensors], Tensors],
    record: bool,
) -> Outcome:
    """Return what one wing makes of a network: logits in inference mode, then a step in each mode."""
    wing, outcome = backend.load(name), Outcome()
    drawn = images_of(card, dtype)
    learner = one_learner(name, case_of(card).recipe(precision=dtype))
    learner.set_weights(start)
    watch = partial(wing.recording, learner.model) if record else partial(nullcontext, Calls())
    with watch() as outcome.inference:
        outcome.parts["inference"] = learner.outputs(drawn.inputs)
    for mode in modes:
        learner = refrozen(name, learner, card, MODES[mode], dtype)
        learner.set_weights(start)
        with watch() as outcome.training:
            results = learner.gradients(drawn, step=7)
        outcome.training.arrays.clear()  # of the training pass only the calls are of use
        outcome.parts |= {f"{mode} {part}": t for part, t in finish_step(learner, results, mode, keep)}
    return outcome


def finish_step(
    learner: Learner,
    results: tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]],
    mode: str,
    keep: Callable[[str, Tensors], Tensors],
) -> Iterator[tuple[str, Tensors]]:
    """Yield the parts of a training step: logits, loss and gradients as found, then the weights after it."""
    loss, outputs, gradients = results
    yield "forward", {**outputs, "loss": np.array(loss)}
    yield "gradients", keep(f"{mode} gradients", gradients)
    learner.update(gradients, lr=np.float64(0.001))
    yield "step", keep(f"{mode} step", learner.get_weights())


def refrozen(name: str, learner: Learner, card: Card, freeze: str, dtype: str) -> Learner:
    """Return a learner of the same model that freezes other stages; of a giant it trains one parameter of each kind."""
    recipe, wing = case_of(card, freeze).recipe(precision=dtype), backend.load(name)
    parameters = wing.parameters(learner.model)
    plan = plan_freeze(card, list(parameters), freeze=recipe.freeze, bn=recipe.bn)
    if card.parameters > GIANT:
        plan = replace(plan, trainable=one_of_each_kind(plan, wing.weight_shapes(learner.model)))
    return wing.Learner(learner.model, card=card, plan=plan, recipe=recipe, objective=objective_of(recipe))


def one_of_each_kind(plan: Freeze, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Return the first parameter of each kind: a kind is a name without its numbers, and a shape."""
    kinds = {("".join(c for c in name if not c.isdigit()), shapes[name]): name for name in reversed(plan.trainable)}
    return tuple(name for name in plan.trainable if name in set(kinds.values()))
