"""Does it overfit, and what to try: sentences by rule from the numbers of a run.

The gap is measured with the final weights on as many training images as there are validation images, both in inference
mode and not augmented; the curve of the training loss is another measure, for it is taken in training mode while the
weights still change. A gap counts when it is more than twice its standard error.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ft.recipe import FIELDS, deciding
from ft.report.plots import column
from ft.tasks import task_in
from ft.tasks.sections import Answers
from ft.tasks.task import Share, Task, percent

SMALL_GAP, RISE, FALL = 0.01, 1.05, 0.98  # accuracy; validation loss against its lowest, and against some epochs ago


@dataclass(frozen=True)
class Advice:
    """One finding: how good or bad it is, what was found, what to try about it."""

    kind: Literal["good", "warn", "bad"]
    found: str
    try_this: str = ""


def advise(result: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]], answers: Answers | None) -> list[Advice]:
    """Return what the numbers say, the most important first; never empty."""
    val_losses = column(epochs, "val_loss").tolist()
    if not epochs or not np.isfinite(val_losses).all():
        return [Advice("bad", "The losses are not all finite numbers.", "a lower --lr, or --warmup-epochs 1")]
    found = [
        *better_than_guessing(answers, task_in(result).share),
        *gap(result),
        *turning_point(result["recipe"], val_losses),
    ]
    if not any(each.kind == "bad" for each in found):
        found += still_learning(result, val_losses)
    return sorted(found, key=lambda each: ("bad", "warn", "good").index(each.kind))


def better_than_guessing(answers: Answers | None, share: Share | None) -> Iterator[Advice]:
    """Find a network that does no better than the most frequent answer, where answers are right or wrong."""
    if answers and share and answers.right <= answers.most:
        total = answers.samples
        yield Advice(
            "bad",
            f"It is {share.right} {percent(answers.right / total)} of the images, no better than always saying the "
            f"most frequent {share.guess} ({percent(answers.most / total)}).",
            "a higher --lr, more --epochs, and a look at the labels",
        )


def gap(result: Mapping[str, Any]) -> Iterator[Advice]:
    """Compare training with validation images, both as the final network sees them."""
    train, val, count = result.get("train_metrics"), result["metrics"], result["data"]["val"]
    task, share = task_in(result), task_in(result).share
    needed = ("loss", share.metric) if share else ("loss",)
    if not train or any(part.get(key) is None for part in (train, val) for key in needed):
        yield Advice("warn", "This run did not measure its training images with the final weights.", "")
        return
    if share is None:
        yield Advice("good", without_shares(task, train, val, count))
        return
    a, b = train[share.metric], val[share.metric]
    error = math.sqrt(a * (1 - a) / train["images"] + b * (1 - b) / count)
    words = (
        f"The final network is {share.right} {percent(a)} of {train['images']} training images and on "
        f"{percent(b)} of {count} validation images"
    )
    loss = f" (loss {train['loss']:.3g} against {val['loss']:.3g})"
    if a - b > max(2 * error, SMALL_GAP):
        kind = "bad" if a - b > 0.1 else "warn"
        yield Advice(
            kind,
            f"{words}{loss}: a gap of {100 * (a - b):.1f} points, where chance explains about {200 * error:.1f}. "
            "To that extent it has learnt its training images by heart.",
            ", ".join(against_overfitting(result["recipe"])),
        )
    else:
        yield Advice("good", f"{words}{loss}: no gap beyond the {200 * error:.1f} points that chance explains.")


def without_shares(task: Task, train: Mapping[str, Any], val: Mapping[str, Any], count: int) -> str:
    """Return the two scores in a sentence; what chance explains of their gap is known of shares only."""
    a, b = train[task.score.metric], val[task.score.metric]
    return (
        f"The final network has a {task.score.word} of {a:.4g} on {train['images']} training images and of {b:.4g} on "
        f"{count} validation images (loss {train['loss']:.3g} against {val['loss']:.3g})."
    )


def against_overfitting(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Name what the recipe does not use yet."""
    if recipe["augment"] == "none":
        yield "--augment crop-flip"
    elif not recipe["randaugment"]:
        yield "--randaugment 2x9"
    if not recipe["mixup"] and not recipe["cutmix"]:
        yield "--mixup 0.2"
    if not uses(recipe, "penalty"):
        yield "--l2 0.001" if recipe["freeze"] == ["base"] or recipe["weights"] == "none" else "--l2sp 0.01"
    if not recipe["label_smoothing"]:
        yield "--label-smoothing 0.1"
    if recipe["freeze"] == ["none"]:
        yield "freezing the first stages"
    yield "more training images"


def turning_point(recipe: Mapping[str, Any], val_losses: Sequence[float]) -> Iterator[Advice]:
    """Find a validation loss that has risen since its lowest point."""
    lowest = int(np.argmin(val_losses))
    if len(val_losses) - lowest > 2 and val_losses[-1] > RISE * val_losses[lowest]:
        stop = [f"--epochs {lowest + 1}", "--patience 3"]
        stop += ["--result best"] if recipe["result"] == "last" else []
        yield Advice(
            "bad",
            f"The validation loss was lowest after epoch {lowest + 1} ({val_losses[lowest]:.4f}) and has risen to "
            f"{val_losses[-1]:.4f} since: from there on it overfits.",
            " or ".join(stop),
        )


def still_learning(result: Mapping[str, Any], val_losses: Sequence[float]) -> Iterator[Advice]:
    """Find a training that ended too early, or a network that has too little room to learn."""
    recipe, train, share = result["recipe"], result.get("train_metrics"), task_in(result).share
    back = max(1, len(val_losses) // 5)
    if len(val_losses) > back and val_losses[-1] < FALL * min(val_losses[:-back]):
        share = 1 - val_losses[-1] / val_losses[-1 - back]
        epochs = "epoch" if back == 1 else f"{back} epochs"
        yield Advice(
            "warn",
            f"The validation loss still fell by {percent(share)} in the last {epochs}: it could learn more.",
            f"--resume with --epochs {2 * recipe['epochs']}, or a higher --lr",
        )
    elif train and share and (right := train.get(share.metric)) is not None and right < 0.9:
        yield Advice(
            "warn",
            f"It has stopped improving at {percent(right)} of its own training images: it has too little room "
            "or time, or the labels are noisy.",
            ", ".join(against_underfitting(recipe)),
        )


def against_underfitting(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Name what holds the recipe back."""
    if recipe["freeze"] != ["none"]:
        yield "--freeze none with a lower --lr, or fewer frozen stages"
    if uses(recipe, "pixels", "penalty"):
        yield "less augmentation and regularisation"
    yield from ("more --epochs", "another --lr", "a larger --image-size or --model")


def uses(recipe: Mapping[str, Any], *decided: str) -> bool:
    """Tell whether a field that decides any of these is in use."""
    return any(recipe.get(name) not in (None, 0, FIELDS[name].default) for name in deciding(*decided))
