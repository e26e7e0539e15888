"""Where samples come from: folders, CSV files, the built-in set."""
