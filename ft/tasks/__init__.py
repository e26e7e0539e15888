"""What a network learns to say of a sample, and what follows from it: a task a file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ft.errors import RunError, unknown
from ft.tasks.classification import SINGLE
from ft.tasks.detection import DETECTION
from ft.tasks.instances import INSTANCES
from ft.tasks.keypoints import KEYPOINTS
from ft.tasks.language_model import LANGUAGE_MODEL
from ft.tasks.multilabel import MULTI
from ft.tasks.regression import REGRESSION
from ft.tasks.segmentation import SEGMENTATION
from ft.tasks.task import Task
from ft.tasks.token_classification import TAGGING

if TYPE_CHECKING:  # which task a run of before did is asked without Pillow
    from ft.data import Dataset
    from ft.zoo import Card

EVERY = (SINGLE, MULTI, SEGMENTATION, DETECTION, INSTANCES, KEYPOINTS, REGRESSION, TAGGING, LANGUAGE_MODEL)
TASKS = {task.name: task for task in EVERY}
BY_NETWORK = {task.name: task for task in (SEGMENTATION, DETECTION, INSTANCES, KEYPOINTS)}  # that are made for one
BY_LABELS = {task.labels: task for task in TASKS.values()}


def task_for(card: "Card", dataset: "Dataset") -> Task:
    """Return the task that follows from a network and, where that has one answer a sample, from the labels."""
    return BY_NETWORK.get(card.task) or BY_LABELS[dataset.labels]


def task_in(record: Mapping[str, Any]) -> Task:
    """Return the task that model.json or a checkpoint's state records; those of before there were two have none."""
    name = record.get("task", SINGLE.name)
    if name not in TASKS:
        raise RunError(f"{unknown('task', name, TASKS)}, update ft-parity if a newer one wrote it")
    return TASKS[name]
