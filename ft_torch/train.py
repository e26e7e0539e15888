"""The entry point of `python -m ft_torch.train`; without flags it runs the built-in recipe."""

import sys

from ft.cli.train import train_command


def main() -> int:
    """Fine-tune in this wing and return the exit code."""
    return train_command(sys.argv[1:], backend="torch")


if __name__ == "__main__":
    sys.exit(main())
