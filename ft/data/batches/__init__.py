"""Samples become batches: the order and the readers' threads in `base`, and a file for each kind of sample."""

from ft.data.batches.base import Batch, Batches, Teach

__all__ = ["Batch", "Batches", "Teach"]
