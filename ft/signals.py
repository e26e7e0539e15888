"""One SIGINT or SIGTERM asks a run to stop after the step at hand; a second one ends the process at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """A run was asked to stop, and saved itself first. Commands exit with 128 + `number`."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    number: int | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; let a second one have the system's own effect."""
        if self.number is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Watch for signals while the block runs. Only the main thread can; elsewhere nothing is ever received."""
    request, before = StopRequest(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
