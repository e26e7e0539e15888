"""`ft data check`: every image decoded once, and what was found."""
