"""Figures of outputs against the truth."""
