"""The commands, a file each; `main` runs the one that the first word names."""

from ft.cli.dispatch import main

__all__ = ["main"]
