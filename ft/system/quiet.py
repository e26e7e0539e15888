"""Importing a framework without the lines that its C++ code prints."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; show it after all if the block raises."""
    import tempfile  # not at the top: every command imports this file

    if sys.stderr is None:  # the caller closed it (2>&-), so there is nothing to hold back
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            with suppress(OSError):  # what was raised is the news
                os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def open_stderr() -> Iterator[TextIO | None]:
    """Give standard error as it is now: what is written to it is seen while `quiet_stderr` holds back all else."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or no file: a notebook's
        yield sys.stderr
        return
    with open(descriptor, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace") as stream:
        yield stream
