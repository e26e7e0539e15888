"""Public calls, one a file: what `ft` offers from Python."""
