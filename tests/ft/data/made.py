"""Batches by the names of settings alone, whichever value these belong to."""

from dataclasses import fields

from ft.data import Augmentation, Batches, Reading, Sampling


def made(samples, preprocess, *, columns=None, **settings):
    """Return batches of samples."""
    kinds = (Sampling, Augmentation, Reading)
    values = [kind(**{f.name: settings.pop(f.name) for f in fields(kind) if f.name in settings}) for kind in kinds]
    assert not settings
    return Batches(samples, preprocess, *values, columns=columns)
