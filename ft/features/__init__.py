"""Features of a frozen base, kept: their key, their file, their source."""
