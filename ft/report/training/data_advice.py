"""What is wrong with what a network learns from: its images, its labels, the weights that it starts from."""

from collections.abc import Iterator

import numpy as np

from ft.report.training.evidence import Evidence, error_between, interval
from ft.report.training.finding import Advice
from ft.report.training.remedies import against_imbalance
from ft.tasks.sections import ByClass, Calibration, Mistakes
from ft.tasks.task import percent
from ft.weights.pretrained import names_a_file

TINY, UNEVEN, SURE, FEW, POOR = 0.1, 0.2, 0.95, 20, 0.7


def random_base(e: Evidence) -> Iterator[Advice]:
    """Find a base of random numbers that never trains."""
    recipe = e.recipe
    thawed = any(entry.partition(":")[2].partition("@")[0] == "all" for entry in recipe["unfreeze"])
    if recipe["weights"] == "none" and recipe["freeze"] != ["none"] and not thawed:
        yield Advice(
            "bad",
            f"The frozen part ({', '.join(recipe['freeze'])}) started from random numbers and never trained, so the "
            "rest learnt from random features.",
            "--weights imagenet, or --freeze none",
        )


def leak(e: Evidence) -> Iterator[Advice]:
    """Find validation images that were trained on."""
    if count := e.result["data"].get("leaked"):
        yield Advice(
            "bad",
            f"{count} of the {e.val_count} validation {e.unit}s are training {e.unit}s, too, byte for byte: every "
            "figure of this page flatters.",
            f"ft data check {e.recipe['data']}, and take them out of one of the two",
        )


def tiny_validation(e: Evidence) -> Iterator[Advice]:
    """Find a score that so few images do not tell."""
    if (right := e.right("metrics")) is None or e.share is None:
        return
    low, high = interval(right, e.val_count)
    if is_tiny(e):
        yield Advice(
            "warn",
            f"{e.val_count} validation {e.unit}s are too few to tell: it is {e.share.right} {percent(right)} of them, "
            f"and chance alone explains anything from {percent(low)} to {percent(high)}.",
            f"more validation {e.unit}s, before any other figure here is believed",
        )


def is_tiny(e: Evidence) -> bool:
    """Tell whether chance moves the share of right validation samples by more than TINY."""
    right = e.right("metrics")
    if right is None:
        return False
    low, high = interval(right, e.val_count)
    return (high - low) / 2 > TINY


def imbalance(e: Evidence) -> Iterator[Advice]:
    """Find a network that lives on the most frequent class; beyond chance."""
    section, right = e.section(ByClass), e.right("metrics")
    if section is None or section.confusion is None or right is None:
        return
    support, hits = section.support, np.diag(section.confusion)
    most = int(support.argmax())
    total, rest = int(support.sum()), int(support.sum() - support[most])
    if not rest or support[most] < 0.5 * total or support[most] < 1.5 * total / len(support):
        return
    frequent, others = hits[most] / support[most], (hits.sum() - hits[most]) / rest
    error = error_between(frequent, int(support[most]), others, rest)
    if frequent - others > max(2 * error, UNEVEN):
        yield Advice(
            "bad",
            f"{percent(support[most] / total)} of the validation {e.unit}s are of one class, "
            f"'{section.classes[most]}', and it lives on that: it is right on {percent(frequent)} of them and on "
            f"{percent(others)} of all others.",
            ", ".join(against_imbalance(e.recipe, e.unit)),
        )


def normalisation(e: Evidence) -> Iterator[Advice]:
    """Find frozen features of somebody's file that hardly tell the training images apart."""
    recipe, right = e.recipe, e.right("train_metrics") if e.score_is_share else None
    if right is None or right >= POOR or recipe["freeze"] != ["base"] or not names_a_file(recipe["weights"]):
        return
    pixels = e.result.get("preprocess", {})
    known = {"mean", "std"} <= {*pixels}
    scale = f" (here mean {numbers(pixels['mean'])}, std {numbers(pixels['std'])})" if known else ""
    yield Advice(
        "bad",
        f"With the frozen features of {recipe['weights']} it is right on {percent(right)} of its own training "
        f"{e.unit}s: those weights may expect pixels that are normalised otherwise{scale}.",
        "a look at how they were trained; weights that ft models lists, whose pixels are known; or --freeze none",
    )


def numbers(values: list[float]) -> str:
    """Return some numbers in words."""
    return "/".join(f"{value:.3g}" for value in values)


def noisy_labels(e: Evidence) -> Iterator[Advice]:
    """Find a network that is as sure of its mistakes as of its right answers, on training images as well."""
    calibration, mistakes, right = e.section(Calibration), e.section(Mistakes), e.right("train_metrics")
    if calibration is None or mistakes is None or len(mistakes.rows) < FEW or right is None or right > 0.97:
        return
    count, confidence = calibration.reliability.count, np.nan_to_num(calibration.reliability.confidence)
    wrong = np.array([row.probability for row in mistakes.rows])
    others = count.sum() - len(wrong)
    if others <= len(wrong) or e.val[-1] > e.guess_loss:  # it has not learnt, whatever the labels are
        return
    sure = ((count * confidence).sum() - wrong.sum()) / others
    if sure > 0.6 and wrong.mean() > SURE * sure:
        yield Advice(
            "bad",
            f"It is as sure of its mistakes ({percent(float(wrong.mean()))} on average) as of its right answers "
            f"({percent(float(sure))}), and errs on {percent(1 - right)} of its own training {e.unit}s: many labels "
            "look wrong.",
            "a look at the most confident mistakes below"
            + ", --label-smoothing 0.1" * (not e.recipe["label_smoothing"]),
        )
