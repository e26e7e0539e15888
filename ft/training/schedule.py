"""The learning rate of every update, as one formula of the step."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ft.errors import RecipeError, unknown

if TYPE_CHECKING:
    from ft.recipe import Recipe

SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle", "linear", "poly", "plateau")
START, END = 1 / 25, 1 / 25 / 1e4  # one-cycle: shares of the rate at the start and at the end
BETTER, SMALLEST = 1 - 1e-4, 1e-8  # plateau: a loss counts as better below this share; no smaller change of the rate


def rate_of(recipe: "Recipe", step: int, *, steps_per_epoch: int, reduction: float = 1.0) -> np.float64:
    """Return the learning rate of update number `step` of a recipe's training; reduction: see `Plateau`."""
    rate = learning_rate(
        step,
        base=recipe.lr,
        schedule=recipe.schedule,
        steps_per_epoch=steps_per_epoch,
        epochs=recipe.epochs,
        step_epochs=recipe.step_epochs,
        step_factor=recipe.step_factor,
        warmup_epochs=recipe.warmup_epochs,
        epoch_factor=recipe.epoch_factor,
        end_factor=recipe.end_factor,
        poly_power=recipe.poly_power,
        rise=recipe.rise,
    )
    return np.float64(reduction * rate)


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
    epoch_factor: float = 0.95,
    end_factor: float = 0.0,
    poly_power: float = 0.9,
    rise: float = 0.3,
) -> np.float64:
    """Return the learning rate of update number `step`, counted from 0, as a float64 number.

    Warm-up, W = round(warmup_epochs * steps_per_epoch) updates: base * (step + 1) / (W + 1). No update is wasted on a
    rate of zero, and update W is the first at the full rate. Afterwards, with t updates after the warm-up of the T that
    are left, and epochs counted from the start of the training
        constant     base; plateau too, which `Plateau` lowers
        step         base * step_factor ** (epoch // step_epochs)
        exponential  base * epoch_factor ** epoch
        cosine       base * (1 + cos(pi * t / T)) / 2
        linear       base * (1 + (end_factor - 1) * t / T)
        poly         base * (1 - t / T) ** poly_power
        one-cycle    from base / 25 up to base in the first `rise` of the training and down to base / 250000, along
                     half a cosine each; momentum stands still
    The same numbers as torch.optim.lr_scheduler's LinearLR(start_factor=1 / (W + 1), total_iters=W) followed by
    ConstantLR, StepLR, ExponentialLR, CosineAnnealingLR(T_max=T), LinearLR(1, end_factor, T) or
    PolynomialLR(T, poly_power), and as OneCycleLR;
    step and exponential are stepped by epoch. Raises ValueError for a step outside of the training.
    """
    if not 0 <= step < steps_per_epoch * epochs:
        raise ValueError(f"step {step} is outside of a training of {steps_per_epoch * epochs} updates")
    warmup = round(warmup_epochs * steps_per_epoch)
    if step < warmup:
        return np.float64(base * (step + 1) / (warmup + 1))
    epoch, t, left = step // steps_per_epoch, step - warmup, steps_per_epoch * epochs - warmup
    if schedule in ("constant", "plateau"):
        return np.float64(base)
    if schedule == "step":
        return np.float64(base * step_factor ** (epoch // step_epochs))
    if schedule == "exponential":
        return np.float64(base * epoch_factor**epoch)
    if schedule == "cosine":
        return np.float64(base * 0.5 * (1 + math.cos(math.pi * t / left)))
    if schedule == "linear":
        return np.float64(base * (1 + (end_factor - 1) * t / left))
    if schedule == "poly":
        return np.float64(base * (1 - t / left) ** poly_power)
    if schedule == "one-cycle":
        return np.float64(base * one_cycle(step, steps_per_epoch * epochs, rise))
    raise RecipeError(unknown("schedule", schedule, SCHEDULES))


def one_cycle(step: int, steps: int, rise: float) -> float:
    """Return the share of the largest rate: half a cosine from START up to 1, another one down to END.

    Source: Smith and Topin, "Super-convergence", 2017, in the form of torch.optim.lr_scheduler.OneCycleLR.
    """
    top = rise * steps - 1  # the step of the largest rate, not always a whole number
    if step < top:
        first, last, share = START, 1.0, step / top
    else:
        first, last, share = 1.0, END, (step - top) / (steps - 1 - top)
    return last + (first - last) / 2 * (math.cos(math.pi * share) + 1)


@dataclass
class Plateau:
    """What schedule plateau has seen; a checkpoint holds it.

    After more than `patience` epochs in a row without a val loss below 0.9999 of the best one, the rate falls by
    `factor` and the count starts anew, as in torch.optim.lr_scheduler.ReduceLROnPlateau.
    """

    reduction: float = 1.0  # of the rate, so far
    best: float | None = None
    waited: int = 0

    def see(self, loss: float, *, base: float, factor: float, patience: int) -> None:
        """Take the val loss of an epoch into account. base: the rate without reductions."""
        if loss < (math.inf if self.best is None else self.best * BETTER):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > patience:
            self.waited = 0
            if base * self.reduction * (1 - factor) > SMALLEST:
                self.reduction *= factor
