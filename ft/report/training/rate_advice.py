"""What the shape of the curves says of the rate and of the time."""

from collections.abc import Iterator

import numpy as np

from ft.report.training.evidence import Evidence, error_between
from ft.report.training.finding import Advice
from ft.report.training.remedies import against_large_steps, against_underfitting, uses
from ft.tasks.task import percent

EXPLODED, GREW = 20, 1.2  # times the loss of guessing; times the training loss of the first epoch
JUMP, FALL = 0.05, 0.98  # of the training loss from epoch to epoch; validation loss against some epochs ago
LONG = 10  # epochs for nothing
ENOUGH = 0.9  # of its training images: a network that is right on so many has room enough


def diverged(e: Evidence) -> Iterator[Advice]:
    """Find losses that grew out of all proportion, or are no numbers."""
    losses = [*(e.val if e.has_val else ()), *e.train]
    tries = ", ".join(against_large_steps(e.recipe, 0.1))
    if not np.isfinite(losses).all():
        yield Advice("bad", "The training diverged: its losses are not all finite numbers.", tries)
    elif e.val[-1] > EXPLODED * e.guess_loss:
        yield Advice(
            "bad",
            f"The training diverged: the validation loss is {e.val[-1]:.4g}, where guessing has {e.guess_loss:.3g}.",
            tries,
        )
    elif len(e.train) > 1 and e.train[-1] > max(GREW * e.train[0], e.guess_loss):
        yield Advice(
            "bad",
            f"The training diverged: the training loss was {e.train[0]:.4g} in the first epoch and is "
            f"{e.train[-1]:.4g} in the last.",
            tries,
        )


def rate_too_high(e: Evidence) -> Iterator[Advice]:
    """Find a training loss that goes up and down, far above its floor."""
    steps, jump = np.diff(e.train), max(JUMP, e.result["data"]["train"] ** -0.5)  # the mean of few images moves more
    rises = int((steps > jump * e.train[:-1]).sum())
    jumpy = rises >= max(3, len(steps) / 4) and e.train[-1] > 0.25 * min(e.train[0], e.guess_loss)
    above = len(steps) > 1 and is_plain(e) and e.train.min() > GREW * e.guess_loss
    if jumpy or above:
        how = f"rose in {rises} of {len(steps)} epochs" if jumpy else f"never fell below {e.train.min():.3g}"
        yield Advice(
            "bad",
            f"The learning rate is too high: the training loss {how} and ends at {e.train[-1]:.3g}, where guessing has "
            f"{e.guess_loss:.3g}.",
            ", ".join(against_large_steps(e.recipe, 0.3)),
        )


def is_plain(e: Evidence) -> bool:
    """Tell whether the training loss of a guess is the one that `guess_loss` says."""
    weighted = e.recipe["class_weights"] not in ("none", "balanced")
    return e.share is not None and not weighted and not uses(e.recipe, "penalty")


def rate_too_low(e: Evidence) -> Iterator[Advice]:
    """Find a training loss that falls in a straight line and does not get far."""
    train = e.train
    if len(train) < 4 or (np.diff(train) > 0.01 * train[:-1]).any():
        return
    middle, crept = train[len(train) // 2], 0.6 * train[0] < train[-1] < 0.98 * train[0]  # less is no movement at all
    if crept and 0.5 * (train[0] - middle) < middle - train[-1]:
        yield Advice(
            "bad",
            f"The learning rate is too low: over {len(train)} epochs the training loss crept from {train[0]:.3g} to "
            f"{train[-1]:.3g}, at the end as fast as at first.",
            f"--lr {10 * e.recipe['lr']:.2g}, or what ft lr-find suggests",
        )


def still_learning(e: Evidence) -> Iterator[Advice]:
    """Find a training that ended too early, went on for nothing, or has too little room to learn."""
    if not e.has_val:
        return
    val, right = e.val, e.right("train_metrics")
    back = max(1, len(val) // 5)
    if len(val) > back and val[-1] < FALL * val[:-back].min():
        epochs = "epoch" if back == 1 else f"{back} epochs"
        yield Advice(
            "warn",
            f"The validation loss still fell by {percent(1 - val[-1] / val[-1 - back])} in the last {epochs}: it could "
            "learn more.",
            f"--resume with --epochs {2 * e.recipe['epochs']}, or a higher --lr",
        )
    elif right is not None and right < ENOUGH:
        yield Advice(
            "warn",
            f"It has stopped improving at {percent(right)} of its own training {e.unit}s: it has too little room or "
            "time.",
            ", ".join(against_underfitting(e.recipe, e.unit)),
        )
    else:
        yield from plateau(e)


def plateau(e: Evidence) -> Iterator[Advice]:
    """Find a training that went on for long after the last gain beyond chance."""
    settled, last = settled_at(e), len(e.val)
    if settled <= last / 2 and last - settled >= LONG:
        tries = [f"--epochs {settled + 2}"]
        tries += ["--patience 3"] * (e.recipe["patience"] is None)
        tries += ["--schedule cosine, with which it may settle lower"] * (e.recipe["schedule"] == "constant")
        yield Advice(
            "warn",
            f"Nothing has got better since epoch {settled} of {last}: the validation loss was {e.val[settled - 1]:.3g} "
            f"then and is {e.val[-1]:.3g} now.",
            ", or ".join(tries),
        )


def settled_at(e: Evidence) -> int:
    """Return the first epoch from whose validation loss and score the best ones differ by no more than chance."""
    near = e.val <= 1.02 * np.nanmin(e.val)
    if e.score_is_share and np.isfinite(e.score).all():
        best, count = float(e.score.max()), e.val_count
        near &= np.array([best - s <= error_between(best, count, float(s), count) for s in e.score])
    return int(np.argmax(near)) + 1
