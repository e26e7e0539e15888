"""Which rule made updates of gradients: optimizers in plain NumPy, with the numbers that a trace's own updates imply.

Every form of an optimizer is fitted to one side's gradients, weights and updates; those that give the updates to
rounding are what that side may have done, whatever went wrong before the optimizer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from math import nan

import numpy as np

from ft.parity.probes.replay import share
from ft.parity.trace import Trace

SAMPLE = 4096  # elements of a parameter that are enough to tell a rule by
TINY = 1e-9  # a fitted number below this, relative to what it stands beside, is zero but for rounding
ROUNDS = 6  # of weighted least squares


@dataclass(frozen=True)
class History:
    """One parameter from the first step on in one trace: for each step its rate, and vectors of the same elements.

    spacing: relative distance of the numbers of its type. Who takes an update as weight before less weight after has it
    with the rounding of the weight.
    """

    rates: tuple[float, ...]
    weights: tuple[np.ndarray, ...]
    gradients: tuple[np.ndarray, ...]
    updates: tuple[np.ndarray, ...]
    spacing: float

    @property
    def usable(self) -> bool:
        """Whether every rate is above 0 and every number finite: of others no rule can be read."""
        arrays = (*self.weights, *self.gradients, *self.updates)
        return min(self.rates) > 0 and all(np.isfinite(array).all() for array in arrays)

    @property
    def noise(self) -> float:
        """The decay that the rounding of the weights looks like in the first update."""
        return 4 * self.spacing / self.rates[0]

    def fits(self, step: int, update: np.ndarray, *, close: float) -> bool:
        """Tell whether this is the update of a step but for rounding."""
        error, size, weight = (
            np.abs(x).max(initial=0.0) for x in (update - self.updates[step], update, self.weights[step])
        )
        return bool(error <= close * size + 4 * self.spacing * weight)


def history(trace: Trace, step: int, name: str) -> History:
    """Return what one parameter went through up to a step; KeyError where an array is missing."""

    def sampled(step: int | None, phase: str) -> np.ndarray:
        return trace.arrays(step, phase)[name].ravel()[:SAMPLE].astype(np.float64)

    gradients, updates = ([sampled(s, phase) for s in range(step + 1)] for phase in ("gradients", "updates"))
    weights = accumulate(updates[:-1], np.subtract, initial=sampled(None, "weights"))
    rates, spacing = trace.facts["lr"][: step + 1], float(np.finfo(trace.dtype).eps)
    return History(tuple(rates), tuple(weights), tuple(gradients), tuple(updates), spacing)


@dataclass(frozen=True)
class SGD:
    """A form of stochastic gradient descent; momentum is NaN where the updates do not tell it.

    rounded: the rate is a float32; folded: the rate is inside the momentum buffer; decoupled: the decay bypasses it.
    """

    momentum: float
    nesterov: bool
    decay: float
    decoupled: bool
    folded: bool
    rounded: bool

    def updates(self, past: History) -> Iterator[np.ndarray]:
        """Yield what each step subtracts from the weights."""
        buffer = None
        for rate, w, g in zip(past.rates, past.weights, past.gradients, strict=True):
            rate = float(np.float32(rate)) if self.rounded else rate
            push = (g if self.decoupled else g + self.decay * w) * (rate if self.folded else 1.0)
            buffer = push if buffer is None else self.momentum * buffer + push
            change = push + self.momentum * buffer if self.nesterov else buffer
            yield change * (1.0 if self.folded else rate) + (rate * self.decay * w if self.decoupled else 0.0)


def sgd_rules(past: History, *, close: float) -> list[SGD]:
    """Return the forms of SGD that give all updates of a history to rounding: several where they do the same."""
    if not past.usable:
        return []
    varies = len(set(past.rates)) > 1
    inexact = any(rate != float(np.float32(rate)) for rate in past.rates)
    rules = []
    for nesterov, decoupled, folded, rounded in product((False, True), repeat=4):
        if folded <= varies and rounded <= inexact:
            rule = fit_sgd(past, SGD(nan, nesterov, 0.0, decoupled, folded, rounded))
            if (
                (rule.decay or not decoupled)
                and not (folded and rule.momentum == 0)
                and reproduces(rule, past, close=close)
            ):
                rules.append(rule)
    return rules


def fit_sgd(past: History, form: SGD) -> SGD:
    """Return a form of SGD with the decay and the momentum that the first two updates imply."""
    rate = float(np.float32(past.rates[0])) if form.rounded else past.rates[0]
    g, w, u = past.gradients[0], past.weights[0], past.updates[0]
    of_gradient, of_weight = least_squares((g, w), u / rate)
    of_weight *= abs(of_weight) > past.noise + TINY * np.abs(g).max(initial=0.0) / max(np.abs(w).max(initial=0.0), TINY)
    if form.nesterov:
        decay = of_weight if form.decoupled else of_weight / max(of_gradient, 1.0)
        return replace(form, momentum=of_gradient - 1.0, decay=decay)
    rule = replace(form, decay=of_weight)
    if len(past.rates) == 1:
        return rule
    without, with_one = (list(replace(rule, momentum=m).updates(past))[1] for m in (0.0, 1.0))
    momentum = share(without, with_one, past.updates[1])  # the second update is linear in it
    return replace(rule, momentum=momentum if abs(momentum) > TINY else 0.0)


def reproduces(rule: SGD, past: History, *, close: float) -> bool:
    """Tell whether a rule gives every update of a history to rounding."""
    if rule.momentum < -1e-6 or rule.momentum >= 1 or (rule.nesterov and rule.momentum < 1e-6):
        return False
    return all(past.fits(step, update, close=close) for step, update in enumerate(rule.updates(past)))


@dataclass(frozen=True)
class Adam:
    """A form of the first step of Adam. eps: as after the bias correction; decoupled: the decay bypasses the gradient.

    factor: what multiplies the step. 1, but for Keras in float64, which corrects the bias with betas in float32.
    """

    eps: float
    factor: float
    decay: float
    decoupled: bool

    def update(self, past: History) -> np.ndarray:
        """Return what the first step subtracts from the weights."""
        rate, w, g = past.rates[0], past.weights[0], past.gradients[0]
        g = g if self.decoupled else g + self.decay * w
        step = self.factor * g / (np.abs(g) + self.eps)
        return rate * (step + self.decay * w) if self.decoupled else rate * step


def adam_rules(past: History, *, close: float) -> list[Adam]:
    """Return the forms of Adam whose first step is that of a history, at most one of each kind of decay."""
    if not past.usable:
        return []
    x = past.updates[0] / past.rates[0]
    if not np.abs(x).max(initial=0.0) or np.abs(x).max() > 10:
        return []
    rules = [fit_adam(past, x, decoupled=decoupled) for decoupled in (False, True)]
    return [
        rule
        for rule in rules
        if rule.eps > 0 and abs(rule.factor - 1) < 1e-4 and past.fits(0, rule.update(past), close=close)
    ]


def fit_adam(past: History, x: np.ndarray, *, decoupled: bool) -> Adam:
    """Return the numbers of one form from x, the first update over the rate.

    Multiplied by |g| + eps the formula is linear in its numbers; dividing by the last estimate of that weighs all
    elements alike again, the few small gradients included from which alone eps can be read.
    """
    g, w = past.gradients[0], past.weights[0]
    factor, eps, decay = 1.0, 1e-6 * float(np.abs(g).max()), 0.0
    for _ in range(ROUNDS):
        if decoupled:  # x = factor * g / (|g| + eps) + decay * w
            scale = np.abs(g) + eps
            columns, target = (g, -x, w * scale), x * np.abs(g)
        else:  # x = factor * h / (|h| + eps) with h = g + decay * w, which has the sign of x
            scale = np.abs(g + decay * w) + eps
            columns, target = (g, -x, w * (factor - np.abs(x))), g * np.abs(x)
        scale = scale + np.finfo(float).tiny
        factor, eps, decay = least_squares([column / scale for column in columns], target / scale)
        eps = abs(eps)
    decay *= abs(decay) > past.noise + TINY / max(np.abs(w).max(initial=0.0), TINY)
    return Adam(eps, factor, decay, decoupled and decay != 0.0)


def least_squares(columns: Sequence[np.ndarray], target: np.ndarray) -> tuple[float, ...]:
    """Return the numbers by which the columns add up to the target; of a column of zeros it is 0."""
    scales = [float(np.linalg.norm(column)) or 1.0 for column in columns]
    matrix = np.stack([column / scale for column, scale in zip(columns, scales, strict=True)], axis=-1)
    solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return tuple(float(x / scale) for x, scale in zip(solution, scales, strict=True))
