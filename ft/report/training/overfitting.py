"""Does it overfit: the gap between training and validation images, the turn of the curves, and which epoch was best.

The gap is measured with the final weights on as many training images as there are validation images, both in inference
mode and not augmented; the curve of the training loss is another measure, for it is taken in training mode while the
weights still change. A gap counts when it is more than twice its standard error.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ft.errors import article
from ft.report.training.data_advice import is_tiny
from ft.report.training.evidence import Evidence, error_between
from ft.report.training.finding import Advice
from ft.report.training.remedies import against_overfitting
from ft.tasks.task import Task, percent

SMALL_GAP, RISE = 0.01, 1.05  # accuracy; validation loss against its lowest


def better_than_guessing(e: Evidence) -> Iterator[Advice]:
    """Find a network that does no better than the most frequent answer, where answers are right or wrong."""
    answers, share = e.page.answers, e.share
    if answers and share and answers.right <= answers.most:
        total = answers.samples
        yield Advice(
            "bad",
            f"It is {share.right} {percent(answers.right / total)} of the {e.unit}s, no better than always saying the "
            f"most frequent {share.guess} ({percent(answers.most / total)}).",
            "another --lr (ft lr-find), more --epochs, and a look at the labels",
        )


def finds_nothing(e: Evidence) -> Iterator[Advice]:
    """Find a network none of whose answers is right, where these are not shares."""
    score = e.task.score
    if e.share is None and score.better == "higher" and e.result["metrics"].get(score.metric) == 0:
        thaw = "" if e.recipe["freeze"] == ["none"] else "--freeze none, "
        yield Advice(
            "bad",
            f"It has a {score.word} of 0: nothing that it says is right.",
            f"more --epochs, another --lr (ft lr-find), {thaw}and a look at the data (ft data check)",
        )


def gap(e: Evidence) -> Iterator[Advice]:
    """Compare training with validation images, both as the final network sees them."""
    train, val, count, share = e.result.get("train_metrics"), e.result["metrics"], e.val_count, e.share
    needed = ("loss", share.metric) if share else ("loss" if e.has_val else e.task.score.metric,)
    if not train or any(part.get(key) is None for part in (train, val) for key in needed):
        yield Advice("warn", f"This run did not measure its training {e.unit}s with the final weights.", "")
        return
    if share is None:
        yield Advice("good" if val[e.task.score.metric] else "warn", without_shares(e, train, val))
        return
    a, b = train[share.metric], val[share.metric]
    error = error_between(a, train["images"], b, count)
    words = (
        f"The final network is {share.right} {percent(a)} of {train['images']} training {e.unit}s and on "
        f"{percent(b)} of {count} validation {e.unit}s"
    )
    loss = f" (loss {train['loss']:.3g} against {val['loss']:.3g})"
    if a - b > max(2 * error, SMALL_GAP):
        yield Advice(
            "bad" if a - b > 0.1 else "warn",
            f"{words}{loss}: a gap of {100 * (a - b):.1f} points, where chance explains about {200 * error:.1f}. "
            f"To that extent it has learnt its training {e.unit}s by heart.",
            ", ".join(against_overfitting(e.recipe, e.unit)),
        )
    elif b - a > max(3 * error, SMALL_GAP):  # a claim against all expectation asks for more
        yield Advice(
            "warn",
            f"{words}{loss}: better by {100 * (b - a):.1f} points on what it never saw, where chance explains about "
            f"{300 * error:.1f}. The validation {e.unit}s are easier, or some of them were trained on.",
            f"ft data check {e.recipe['data']}",
        )
    else:
        chance = 100 * error * (3 if b > a else 2)
        yield Advice("good", f"{words}{loss}: no gap beyond the {chance:.1f} points that chance explains.")


def without_shares(e: Evidence, train: Mapping[str, Any], val: Mapping[str, Any]) -> str:
    """Return the two scores in a sentence; what chance explains of their gap is known of shares only."""
    metric, unit = e.task.score.metric, e.unit
    loss = f" (loss {train['loss']:.3g} against {val['loss']:.3g})" if e.has_val else ""
    return (
        f"The final network has {article(e.task.score.word)} of {train[metric]:.4g} on {train['images']} "
        f"training {unit}s and of {val[metric]:.4g} on {e.val_count} validation {unit}s{loss}."
    )


def turning_point(e: Evidence) -> Iterator[Advice]:
    """Find a validation loss that has risen since its lowest point, and say what the score did meanwhile."""
    if not e.has_val:
        return
    lowest, losses = int(np.argmin(e.val)), e.val
    risen = losses[-2:].min() - losses[lowest]
    if len(losses) - lowest <= 2 or risen <= max((RISE - 1) * losses[lowest], 3 * jitter(losses)):
        return
    words = (
        f"The validation loss was lowest after epoch {lowest + 1} ({losses[lowest]:.4f}) and has risen to "
        f"{losses[-1]:.4f} since"
    )
    stop = [f"--epochs {lowest + 1}"]
    stop += ["--patience 3"] * (e.recipe["patience"] is None)
    stop += ["--result best"] * (e.recipe["result"] == "last")
    if e.recipe["result"] == "best" and e.kept <= lowest + 1:
        yield Advice("good", f"{words}: from there on it overfits, and the run kept epoch {e.kept}.")
    elif held(e, lowest):
        yield Advice(
            "warn",
            f"{words}, while its {e.task.score.word} held: it does not err more often, it is more sure of its "
            "mistakes.",
            ", ".join(stop_or_smooth(e, stop)),
        )
    else:
        kind = "warn" if is_tiny(e) else "bad"  # the loss of a few samples rises by chance
        yield Advice(kind, f"{words}: from there on it overfits.", " or ".join(stop))


def jitter(losses: np.ndarray) -> float:
    """Return the standard deviation of what moves a curve from epoch to epoch beside its trend."""
    bends = np.abs(np.diff(losses, 2))  # of independent noise they have 6 times its variance, of a straight line none
    return float(np.median(bends)) / 0.6745 / math.sqrt(6) if len(bends) else 0.0


def stop_or_smooth(e: Evidence, stop: list[str]) -> list[str]:
    """Return what keeps a network from being too sure: softer targets, unless they are in use, or an earlier end."""
    return ["--label-smoothing 0.1"] * (not e.recipe["label_smoothing"]) + [" or ".join(stop)]


def held(e: Evidence, epoch: int) -> bool:
    """Tell whether the last score is no worse than the one after the epoch with this index, but for chance."""
    then, now = float(e.score[epoch]), float(e.score[-1])
    if not np.isfinite([then, now]).all():
        return False
    return not e.task.score.is_better(then, now) or abs(then - now) <= (chance_of(e, then, now, of=1) or 0)


def best_epoch(e: Evidence) -> Iterator[Advice]:
    """Name the epoch that was best, where the run ends with another one, or kept it."""
    score, result = e.task.score, e.recipe["result"]
    if result not in ("last", "best") or not np.isfinite(e.score).any():
        return
    best = min(range(len(e.score)), key=lambda i: score.place(e.score[i]))
    at, kept = e.epochs[best]["epoch"], next((i for i, row in enumerate(e.epochs) if row["epoch"] == e.kept), best)
    a, b, text = float(e.score[best]), float(e.score[kept]), score_text(e.task)
    if result == "best" and at == e.kept and at != e.epochs[-1]["epoch"]:
        yield Advice("good", f"The run kept its best epoch, {at} of {len(e.score)}: {score.word} {text(a)}.")
    elif score.is_better(a, b):
        end = f"the run ends with the weights of epoch {e.kept}, {text(b)}"
        words = f"The best epoch was {at}, {score.word} {text(a)}; {end}"
        chance = chance_of(e, a, b, of=len(e.score))
        if abs(a - b) > (0.02 * abs(a) if chance is None else chance):
            yield Advice("warn", f"{words}.", "--resume RUN --result best, which trains nothing")
        else:
            lucky = f", within the {100 * (chance or 0):.1f} points by which the best of so many is lucky"
            yield Advice("good", f"{words}{lucky * (chance is not None)}.")


def chance_of(e: Evidence, a: float, b: float, *, of: int) -> float | None:
    """Return how far apart two scores are by chance, where the score is a share; of: so many a is the best one."""
    if not e.score_is_share:
        return None
    return (2 + math.sqrt(math.log(of))) * error_between(a, e.val_count, b, e.val_count)


def score_text(task: Task) -> Any:
    """Return what writes the task's score."""
    return next(measure for measure in task.measures if measure.name == task.score.metric).text
