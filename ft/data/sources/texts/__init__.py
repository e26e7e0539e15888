"""Texts with labels."""

from ft.data.sources.texts.quick import open_texts

__all__ = ["open_texts"]
