"""What two sides are called: by their frameworks, and by a letter where both have the same."""

SIDES = ("torch", "tf")


def labels_of(frameworks: tuple[str, str]) -> tuple[str, str]:
    """Return the names of two sides, such as "torch" and "tf", or "tf A" and "tf B"."""
    one, other = frameworks
    return frameworks if one != other else (f"{one} A", f"{other} B")


def framework_of(label: str) -> str:
    """Return the framework of a side."""
    return label.partition(" ")[0]


def file_of(label: str) -> str:
    """Return the name of a side as a part of files' names."""
    return label.replace(" ", "-").lower()
