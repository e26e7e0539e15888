"""Texts with labels."""

from ft.data.sources.texts.quick import open_text_samples, open_texts

__all__ = ["open_text_samples", "open_texts"]
