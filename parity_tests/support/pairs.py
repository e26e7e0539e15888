"""The same network in both wings, from the same tensors, and batches to train it on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ft.backend import contract as backend
from ft.backend.contract import Learner
from ft.data import Batch, read_digits
from ft.metrics.pixels import LEFT_OUT
from ft.network.surgery import plan_surgery
from ft.noise import generator
from ft.parity.arrays import BARS
from ft.recipe import Recipe
from ft.tasks import TASKS
from ft.tasks.objective import objective_of
from ft.training.build import new_learner
from ft.weights import cast, initial_weights, match_weights
from ft.weights.pretrained import pretrained_weights
from ft.zoo import Card, find_card
from ft.zoo.card import under

CLASSES = 10
# the last gamma of a bottleneck block is small in trained networks; around 1, drawn blocks make all images alike, one
# after the other, until the BatchNorms of a ResNet-152 divide by so little that rounding grows 40-fold (to 1.5e-11)
LAST = 0.3
FORWARD, STEP, TRAJECTORY = (BARS["float64"][what] for what in ("inference", "step", "trajectory"))


@dataclass(frozen=True)
class Case:
    """One network and one way to train it."""

    model: str
    freeze: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self, **changes: Any) -> Recipe:
        """Return the recipe, in float64 unless told otherwise."""
        return Recipe(**{"model": self.model, "freeze": self.freeze, "precision": "float64", **self.fields, **changes})

    def __str__(self) -> str:
        return "-".join([self.model, self.freeze, *(f"{key}={value}" for key, value in self.fields.items())])


CASES = [Case(model, freeze) for model in ("resnet18", "efficientnet_lite0") for freeze in ("base", "none")]
UPDATING = [Case(model, "base", {"bn": "update"}) for model in ("resnet18", "efficientnet_lite0")]


def learners(
    case: Case, *, seed: int = 0, tensors: Mapping[str, np.ndarray] | None = None, **changes: Any
) -> dict[str, Learner]:
    """Return the case's learner in each wing, "torch" and "tf", starting from the same tensors."""
    recipe = case.recipe(**changes)
    pair = {name: one_learner(name, recipe) for name in ("torch", "tf")}
    start = tensors or starting_tensors(case, backend.load("torch").weight_shapes(pair["torch"].model), seed=seed)
    for learner in pair.values():
        learner.set_weights(cast(start, recipe.dtype))
    return pair


def one_learner(name: str, recipe: Recipe) -> Learner:
    """Return a recipe's learner in one wing, its weights not set yet."""
    card = find_card(recipe.model)
    surgery, size = plan_surgery(card, recipe), recipe.image_size or card.preprocess.crop
    weights = recipe.class_weights if isinstance(recipe.class_weights, tuple) else None
    objective = objective_of(recipe, weights, task=card.task)
    if card.detector:
        objective = TASKS[card.task].objective(recipe, weights)
    plan = {"card": surgery.card if surgery else card, "surgery": surgery, "objective": objective}
    return new_learner(recipe, backend.load(name), **plan, classes=CLASSES, image_size=size, device="cpu")[0]


def build_network(name: str, recipe: Recipe) -> Any:
    """Return a recipe's network in one wing, with the test's classes."""
    options = find_card(recipe.model).options(
        dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, image_size=recipe.image_size
    )
    return backend.load(name).build_model(recipe.model, num_classes=CLASSES, dtype=recipe.dtype, options=options)


def starting_tensors(case: Case, shapes: Mapping[str, tuple[int, ...]], *, seed: int) -> dict[str, np.ndarray]:
    """Return the tensors to start from: real ImageNet weights where a package has them, else drawn from the seed.

    BatchNorm tensors of drawn networks are randomised: fresh ones are 0 and 1 and would hide swapped names.
    """
    card = find_card(case.model)
    if case.recipe().weights != "none" and card.pretrained[0].package:
        source = pretrained_weights(card, "imagenet", quiet=True)
        assert source is not None
        head = {name: shape for name, shape in shapes.items() if under(name, card.new_head(source))}
        return match_weights(source, shapes, replaced=head).tensors | initial_weights(head, seed=seed)
    return drawn_tensors(card, shapes, seed=seed)


def drawn_tensors(card: Card, shapes: Mapping[str, tuple[int, ...]], *, seed: int) -> dict[str, np.ndarray]:
    """Return the network's constants, and tensors drawn from the seed, those that start with one value randomised."""
    rng, constants = generator(seed, "randomise"), card.constants()
    drawn = initial_weights({name: shape for name, shape in shapes.items() if name not in constants}, seed=seed)
    return {**constants, **{name: randomised(name, tensor, rng) for name, tensor in drawn.items()}}


def randomised(name: str, tensor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a tensor that starts as a constant, as BatchNorm's do, with values of its own; any other as it is."""
    if tensor.ndim == 0 or (tensor.ndim != 1 and np.ptp(tensor) > 0):
        return tensor
    if name.endswith(("running_var", "weight", "layer_scale", "logit_scale")):
        drawn = rng.uniform(0.5, 1.5, tensor.shape)
        return drawn * LAST if name.endswith("bn3.weight") else drawn
    return rng.normal(0, 0.1, tensor.shape)


def batch(seed: int, *, dtype: str = "float64", size: int = 64, count: int = 8) -> Batch:
    """Return images (count, size, size, 3) with labels: at 64 px and 8 images every BatchNorm sees 32 values."""
    rng = generator(seed, "batch")
    images = rng.normal(size=(count, size, size, 3)).astype(dtype)
    return Batch.of(images, labels=rng.integers(0, CLASSES, count))


def masks_batch(seed: int, *, size: int = 64, count: int = 4) -> Batch:
    """Return images with a mask each; of a sixth of the pixels the class does not count, of the first image two thirds.

    The last class of all occurs nowhere.
    """
    images, rng = batch(seed, size=size, count=count).inputs, generator(seed, "masks")
    masks = rng.integers(0, CLASSES - 1, (count, size, size)).astype(np.uint8)
    left_out = rng.random(masks.shape) < 1 / 6
    left_out[0] |= rng.random(masks.shape[1:]) < 3 / 5
    masks[left_out] = LEFT_OUT
    return Batch.of(images, mask=masks)


def digits_folder(root: Path, *, train: int, val: int) -> str:
    """Write the first so many handwritten digits as a data set of class folders, and return where."""
    pixels, labels = read_digits()
    for i in range(train + val):
        folder = root / ("train" if i < train else "val") / str(labels[i])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i]).save(folder / f"{i:04d}.png")
    return str(root)


def squares_folder(root: Path, *, count: int) -> str:
    """Write noisy images with a red and a green square as a folder of images and masks; a strip at the top is left out.

    A quarter of them, or one more, is for validation.
    """
    rng = generator(0, "squares")
    for i in range(count):
        pixels, mask = rng.integers(60, 120, (40, 48, 3)).astype(np.uint8), np.zeros((40, 48), np.uint8)
        for channel in range(2):
            top, left = rng.integers(0, 24, 2)
            pixels[top : top + 14, left : left + 16, channel] = 250
            mask[top : top + 14, left : left + 16] = channel + 1
        mask[:3] = LEFT_OUT
        for kind, array in (("images", pixels), ("masks", mask)):
            folder = root / kind / ("val" if i % 4 == 0 else "train")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / f"{i:03}.png")
    (root / "classes.txt").write_text("ground\nred\ngreen\n")
    return str(root)


def boxes_csv(root: Path, *, count: int, sides: Sequence[tuple[int, int]] = ((56, 64),)) -> str:
    """Write noisy images with a red and a green square as a CSV of boxes, and return its path.

    A quarter of them, or one more, is for validation. sides: heights and widths, in turn.
    """
    rng, rows = generator(0, "boxes"), ["image,x1,y1,x2,y2,label,split"]
    for i in range(count):
        pixels, split = (
            rng.integers(60, 120, (*sides[i % len(sides)], 3)).astype(np.uint8),
            "val" if i % 4 == 0 else "train",
        )
        for channel, label in enumerate(("red", "green")):
            top, left = rng.integers(0, 32, 2).tolist()
            pixels[top : top + 20, left : left + 24, channel] = 250
            rows.append(f"{i:03}.png,{left},{top},{left + 24},{top + 20},{label},{split}")
        Image.fromarray(pixels).save(root / f"{i:03}.png")
    (root / "boxes.csv").write_text("\n".join(rows))
    return str(root / "boxes.csv")


def colours_csv(root: Path, *, count: int, size: int = 32) -> str:
    """Write images with any number of a red, a green and a blue square as a CSV of label sets, and return its path."""
    rng, lines = generator(0, "colours"), ["path,label"]
    for i in range(count):
        pixels, names = rng.integers(60, 120, (size, size, 3)).astype(np.uint8), []
        for channel, name in enumerate(("red", "green", "blue")):
            if rng.random() < 0.4:
                top, left = rng.integers(0, size // 2, 2)
                pixels[top : top + size // 2, left : left + size // 2, channel] = 250
                names.append(name)
        Image.fromarray(pixels).save(root / f"{i:03}.png")
        lines.append(f"{i:03}.png,{'|'.join(names)}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return str(root / "labels.csv")
