"""From a file to pixels, and what happens to them."""
