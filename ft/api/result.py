"""What a training ends with: the final weights, and the files that say how good they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft.backend.contract import Learner
from ft.data import Batches
from ft.features.features import FeatureBatches
from ft.report.plots import plot_curves
from ft.report.training.page import write_training_report
from ft.runs import checkpoint, history
from ft.runs import folder as runfolder
from ft.system import files
from ft.system.names import CURVES, MODEL, RESULT
from ft.tasks.task import PredictionTable
from ft.tasks.wire import packed, received
from ft.training.averaging import mean_of
from ft.training.evaluate import First, Source, evaluate
from ft.training.job import Job
from ft.training.position import Position
from ft.training.ranks import together
from ft.training.ways import way_of
from ft.weights import write_safetensors


def final_weights(job: Job, folder: Path, learner: Learner, position: Position) -> dict[str, Any]:
    """Put the weights that the recipe asks for into the learner and say which epoch they are of."""
    tensors, facts = {}, {"epoch": position.epoch}
    with together(job.ranks):
        if job.ranks.writes:  # of several ranks the one that has the checkpoints
            tensors, facts = chosen_weights(job, folder, learner, position)
    if job.ranks.size > 1:
        tensors = received(job.ranks.gather(packed([dict(tensors)] if job.ranks.writes else []))[0])[0]
    if tensors:
        learner.set_weights(tensors)
    return facts


def chosen_weights(
    job: Job, folder: Path, learner: Learner, position: Position
) -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
    """Return the weights that the recipe asks for, none for those at hand, and which epoch they are of."""
    result, best = job.recipe.result, checkpoint.pointed(folder, "best")
    if result == "best" and best:
        return checkpoint.load(best).model, {"epoch": position.best_epoch}
    if result == "ema":
        with learner.averaged():
            return learner.get_weights(), {"epoch": position.epoch}
    if result == "average" and position.ranked:
        rows = sorted(position.ranked, key=lambda row: row[1])
        paths = [checkpoint.step_folder(folder, int(step)) for _, _, step in rows]
        mean = mean_of(checkpoint.load(path).model for path in paths)
        return mean, {"epoch": position.epoch, "averaged_epochs": [int(epoch) for _, epoch, _ in rows]}
    return {}, {"epoch": position.epoch}


def write_result(
    job: Job, folder: Path, learner: Learner, sources: Sequence[Batches | FeatureBatches], facts: dict[str, Any]
) -> None:
    """Evaluate once more and write predictions, curves, weights, the report and, last of all, model.json."""
    table, meter = job.task.predictions(), job.task.meter(job.dataset.classes)
    evaluate(learner, sources[1], meter, table, ranks=job.ranks)
    measured = {
        "metrics": meter.result(),
        **meter.by_class(),
        **way_of(job.card).measured(job.preprocess, job.dataset),
        "train_metrics": training_metrics(job, learner, sources[0]),
    }
    measured["metrics"] |= test_metrics(job, learner)
    with together(job.ranks):
        if job.ranks.writes:
            write_files(job, folder, learner, sources[1], table, {**facts, **measured})


def write_files(
    job: Job,
    folder: Path,
    learner: Learner,
    val: Batches | FeatureBatches,
    table: PredictionTable,
    facts: dict[str, Any],
) -> None:
    """Write what was measured, beside the weights that it was measured of."""
    classes, task = job.dataset.classes, job.task
    with files.explained(folder / RESULT):  # a run that went on is about to change what it describes
        (folder / RESULT).unlink(missing_ok=True)
    table.write(folder, [job.dataset.val[i].name for i in np.concatenate(val.plan(0))], classes)
    rows = runfolder.read_log(folder)
    epochs = [row for row in rows if row.get("epoch_end")]
    title = f"{job.recipe.title}, {', then '.join(history.wings(facts['history']))}"
    plot_curves(rows, epochs, folder / CURVES, title=title, task=task)
    card = job.card
    weights = learner.get_weights()
    with files.publishing(folder / MODEL, needed=checkpoint.size_of(weights, {})) as path:
        sha256 = write_safetensors(path, weights, {"architecture": card.name})
    whole = {
        "format": runfolder.FORMAT,
        "architecture": card.name,
        "head": card.logits_layer,
        **facts,
        "sha256": {MODEL: sha256},
    }
    write_training_report(folder, whole, job.dataset.val)
    files.write_json(folder / RESULT, whole)


def training_metrics(job: Job, learner: Learner, train: Source) -> dict[str, Any]:
    """Return the metrics of about as many training images as there are validation images, seen as those are.

    They are the first batches of epoch 0, which are a random sample, without augmentation.
    """
    plain = job.batches("train", plain=True, as_pixels=True)
    if isinstance(train, FeatureBatches) and not job.recipe.cache_views:  # else those kept are of augmented images
        plain = FeatureBatches(plain, train.views)
    first = First(plain, -(-len(job.dataset.val) // job.recipe.batch_size))
    meter = evaluate(learner, first, job.task.meter(job.dataset.classes), ranks=job.ranks)
    return {**meter.result(), "images": meter.count}


def test_metrics(job: Job, learner: Learner) -> dict[str, Any]:
    """Return what the network measures on the test images, under "test", where there are any."""
    if not job.dataset.test:
        return {}
    meter = job.task.meter(job.dataset.classes)
    return {"test": evaluate(learner, job.batches("test", as_pixels=True), meter, ranks=job.ranks).result()}
