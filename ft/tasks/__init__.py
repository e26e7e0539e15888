"""What labels are, and what follows from it: a task a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ft.errors import RunError, unknown
from ft.tasks.classification import SINGLE
from ft.tasks.multilabel import MULTI
from ft.tasks.task import Task

TASKS = {task.name: task for task in (SINGLE, MULTI)}


def task_of(labels: np.ndarray) -> Task:
    """Return the task of labels that are not mixed: (N,) or (N, K)."""
    return SINGLE if labels.ndim == 1 else MULTI


def task_in(record: Mapping[str, Any]) -> Task:
    """Return the task that model.json or a checkpoint's state records; those of before there were two have none."""
    name = record.get("task", SINGLE.name)
    if name not in TASKS:
        raise RunError(f"{unknown('task', name, TASKS)}, update ft-parity if a newer one wrote it")
    return TASKS[name]
