"""The features of a base for segmentation computed in float64 and rounded once, where that is a matter of seconds.

A head of ReLUs trains along kinks: the first one that rounding decides otherwise moves the weights a hundred times as
far as the rounding did, and losses by 1e-4. So the pass before it, which a run does once, does not round in between.
"""

from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from ft.backend import contract as backends
from ft.backend.contract import Learner
from ft.data import Features, Given
from ft.training.build import new_learner
from ft.training.compiling import SIDE
from ft.training.job import Job
from ft.weights import cast

SMALL = 500e6  # parameters of the base times images of 224 px; what float64 takes longer: docs/speed.md


class Base(Protocol):
    """What makes features of images: a learner, or its base in float64."""

    def features(self, inputs: Given) -> Features:
        """Return what the base makes of images in inference mode."""
        ...


@dataclass(frozen=True, eq=False)
class Rounded:
    """A learner in float64 whose features are rounded to float32."""

    learner: Learner

    def features(self, inputs: Given) -> Features:
        """Return what the base makes of images (N, H, W, 3) in inference mode."""
        return Features({name: array.astype(np.float32) for name, array in self.learner.features(inputs).taps.items()})


def is_exact(job: Job, learner: Learner, backend: str, device: str) -> bool:
    """Tell whether a job's features are computed in float64: by what they cost, not by a clock."""
    if not job.card.taps or job.recipe.precision != "float32" or device != "cpu":
        return False
    shapes = backends.load(backend).weight_shapes(learner.model)
    weights = sum(prod(shape) for name, shape in shapes.items() if job.card.stage_of(name) != "head")
    images = len(job.dataset.train) * max(job.recipe.cache_views, 1) + len(job.dataset.val)
    return weights * images * job.preprocess.crop**2 / SIDE**2 <= SMALL


def in_float64(job: Job, learner: Learner, backend: str, device: str) -> Base:
    """Return a learner's base in float64."""
    exact, _ = new_learner(
        job.recipe.replace(precision="float64"),
        backends.load(backend),
        card=job.card,
        surgery=job.surgery,
        classes=len(job.dataset.classes),
        image_size=job.preprocess.crop,
        objective=job.task.objective(job.recipe, None),
        device=device,
    )
    exact.set_weights(cast(learner.get_weights(), "float64"))
    return Rounded(exact)
