"""`python -m ft` is the `ft` command."""

import sys

from ft.cli import main

if __name__ == "__main__":
    sys.exit(main())
