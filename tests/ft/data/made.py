"""Batches by the names of settings alone, whichever value these belong to."""

from dataclasses import fields

from ft.data import Augmentation, ImageBatches, Reading, Sampling
from ft.tasks import TASKS


def made(samples, preprocess, *, columns=None, **settings):
    """Return batches of samples. columns: K where these are multi-label."""
    kinds = (Sampling, Augmentation, Reading)
    values = [kind(**{f.name: settings.pop(f.name) for f in fields(kind) if f.name in settings}) for kind in kinds]
    assert not settings
    task, reading = TASKS["single-label" if columns is None else "multi-label"], values[-1]
    teach = task.teach(classes=columns or 0, dtype=reading.dtype)
    return ImageBatches(samples, preprocess, *values, teach=teach)
