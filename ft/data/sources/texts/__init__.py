"""Texts with labels: which sources there are, and the data set that training gets of them."""

from ft.data.sources.texts.dataset import open_text_samples, open_texts, read_texts
from ft.data.sources.texts.source import holds_texts, labels_in_source, list_texts

__all__ = ["holds_texts", "labels_in_source", "list_texts", "open_text_samples", "open_texts", "read_texts"]
