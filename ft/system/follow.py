"""A process that must not outlive the one that started it.

Its standard input is a pipe on which nothing is ever said: the system closes it when the starter ends, however that
ends.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

FOLLOWS = "FT_FOLLOWS"  # in the environment of a process with such an input
LINGER = 60.0  # seconds that it has once its starter is gone: one that trains does its step, and saves


def following(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that is started with such an input."""
    return {**environment, FOLLOWS: "stdin"}


def follow_starter(linger: float = LINGER) -> None:
    """Stop as at a SIGTERM when the starter is gone, where this process is one that follows."""
    if os.environ.pop(FOLLOWS, None):  # not for what is started here, whose input is another
        threading.Thread(target=wait_for_end, args=(linger,), daemon=True, name="ft-follow").start()


def wait_for_end(linger: float) -> None:
    """Wait until the starter is gone; then stop, and end in any case."""
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(linger)
    os.kill(os.getpid(), signal.SIGKILL)
