"""Files, signals, processes, the terminal."""
