"""What both sides of a comparison of strangers are told, what they are fed, and the files between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ft.errors import RecipeError
from ft.noise import generator
from ft.parity.foreign.inputs import IMAGES, Spec, read_inputs
from ft.parity.trace import TraceBatch

MOMENTUM = 0.9
MOST = 2**40  # numbers of one input
WEIGHTS = "weights.safetensors"  # the file of these
AGAIN = "{}-one-ulp"  # the trace from moved weights
EXACT = "{}-exact"  # the trace with derivatives that a framework rounds taken exactly
OPERATIONS, FORCED = "operations-{}.safetensors", "forced.safetensors"  # arrays of a recorded pass, and for one


@dataclass(frozen=True)
class Assignment:
    """What both sides are told: what the models take and give, and what to do with them.

    inputs: as `--input` has them, else images of `shape`; classes: None where the loss needs no labels.
    """

    shape: tuple[int, ...]
    classes: int | None
    steps: int
    lr: float
    batch_size: int
    seed: int
    inputs: str = ""

    def __post_init__(self) -> None:
        if not self.inputs and (len(self.shape) != 3 or min(self.shape) < 1):
            raise RecipeError(f"input: got {'x'.join(map(str, self.shape))}; expected CxHxW, such as 3x64x64")
        for name, least in (("classes", 1), ("steps", 0), ("batch_size", 1), ("seed", 0)):
            if (value := getattr(self, name)) is not None and value < least:
                raise RecipeError(f"{name}: got {value}; it must be at least {least}")
        if (most := max(self.batch_size * prod(spec.shape) for spec in self.specs)) > MOST:
            raise RecipeError(f"input: {most:,} numbers in a batch are more than any memory holds; take smaller shapes")

    @property
    def specs(self) -> tuple[Spec, ...]:
        """What the models take."""
        return read_inputs(self.inputs) if self.inputs else (Spec(IMAGES, "map", tuple(self.shape)),)

    @property
    def maps(self) -> tuple[str, ...]:
        """The inputs that have channels."""
        return tuple(spec.name for spec in self.specs if spec.type == "map")

    def batches(self) -> Iterator["Feed"]:
        """Yield the batches of all steps, at least one: inputs, maps with their channels last, and labels if any."""
        for step in range(max(self.steps, 1)):
            rng = generator(self.seed, "stranger", step)
            inputs = {spec.name: spec.draw(rng, self.batch_size) for spec in self.specs}
            labels = {} if self.classes is None else {"labels": rng.integers(0, self.classes, self.batch_size)}
            yield Feed(inputs, labels, np.float64(self.lr))

    def moved(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return weights of which none is the same number everywhere, as those of a fresh norm are."""
        rng = generator(self.seed, "stranger weights")
        shifted = {}
        for name, x in weights.items():
            fresh = x.size > 1 and bool(np.all(x == x.flat[0]))
            noise = rng.uniform(0.5, 1.5, x.shape) - 1.0
            shifted[name] = (x + noise).astype(x.dtype) if fresh else x
        return shifted

    def cotangents(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Return the numbers that outputs of these shapes are multiplied with to give a loss."""
        rng = generator(self.seed, "stranger loss")
        sizes = {name: np.sqrt(max(np.prod(shape), 1)) for name, shape in shapes.items()}
        return {name: np.asarray(rng.normal(size=shape) / sizes[name]) for name, shape in shapes.items()}


class Feed(TraceBatch):
    """What one step of a model of the user's own is fed."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs and targets under their names in a trace, which has no truth values."""
        return {name: x.view(np.uint8) if x.dtype == bool else x for name, x in super().arrays.items()}

    @property
    def batch(self) -> Any:
        """What its learner takes: this itself."""
        return self
