"""The learning rate of every update, as one formula of the step."""

import math
from typing import TYPE_CHECKING

import numpy as np

from ft.errors import RecipeError, unknown

if TYPE_CHECKING:
    from ft.recipe import Recipe

SCHEDULES = ("constant", "step", "cosine")


def rate_of(recipe: "Recipe", step: int, *, steps_per_epoch: int) -> np.float64:
    """Return the learning rate of update number `step` of a recipe's training."""
    return learning_rate(
        step,
        base=recipe.lr,
        schedule=recipe.schedule,
        steps_per_epoch=steps_per_epoch,
        epochs=recipe.epochs,
        step_epochs=recipe.step_epochs,
        step_factor=recipe.step_factor,
        warmup_epochs=recipe.warmup_epochs,
    )


def learning_rate(
    step: int,
    *,
    base: float,
    schedule: str,
    steps_per_epoch: int,
    epochs: int,
    step_epochs: int,
    step_factor: float,
    warmup_epochs: float,
) -> np.float64:
    """Return the learning rate of update number `step`, counted from 0, as a float64 number.

    Warm-up, W = round(warmup_epochs * steps_per_epoch) updates: base * (step + 1) / (W + 1). No update is wasted on a
    rate of zero, and update W is the first at the full rate. Afterwards
        constant   base
        step       base * step_factor ** (epoch // step_epochs), epochs counted from the start of the training
        cosine     base * (1 + cos(pi * t / T)) / 2, t updates after the warm-up of the T that are left
    The same numbers as torch.optim.lr_scheduler's LinearLR(start_factor=1 / (W + 1), total_iters=W) followed by
    ConstantLR, StepLR or CosineAnnealingLR(T_max=T), the last two stepped by epoch and by update.
    Raises ValueError for a step outside of the training.
    """
    if not 0 <= step < steps_per_epoch * epochs:
        raise ValueError(f"step {step} is outside of a training of {steps_per_epoch * epochs} updates")
    warmup = round(warmup_epochs * steps_per_epoch)
    if step < warmup:
        return np.float64(base * (step + 1) / (warmup + 1))
    if schedule == "constant":
        return np.float64(base)
    if schedule == "step":
        return np.float64(base * step_factor ** (step // steps_per_epoch // step_epochs))
    if schedule == "cosine":
        left = steps_per_epoch * epochs - warmup
        return np.float64(base * 0.5 * (1 + math.cos(math.pi * (step - warmup) / left)))
    raise RecipeError(unknown("schedule", schedule, SCHEDULES))
