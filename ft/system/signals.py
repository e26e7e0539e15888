"""One SIGINT, SIGTERM or SIGHUP asks a run to stop after the step at hand; a second one ends the process at once.

SIGHUP is the end of a terminal: it comes more than once without anybody being impatient, so it never is the second one;
and where it is ignored (nohup) it stays so.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """A run was asked to stop, and saved itself first. Commands exit with 128 + `number`."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class Stopped(KeyboardInterrupt):
    """A command was asked to end by a signal other than Ctrl-C; it is told and cleaned up after in the same way."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    number: int | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; let a second one have the system's own effect."""
        if self.number is not None:
            if number == signal.SIGHUP:
                return
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Watch for signals while the block runs. Only the main thread can; elsewhere nothing is ever received."""
    request = StopRequest()
    with handling(request.receive, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield request


@contextmanager
def stops_are_errors() -> Iterator[None]:
    """Raise Stopped at a SIGTERM or SIGHUP while the block runs, as Python raises KeyboardInterrupt at Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
        raise Stopped(number)

    with handling(stop, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Let a function handle these signals while the block runs, where this is the main thread."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
