"""One SIGINT, SIGTERM or SIGHUP asks a run to stop after the step at hand; a second one ends the process at once.

Ctrl-C is answered within a moment: what it asks for may take longer.
SIGHUP is the end of a terminal: it comes more than once without anybody being impatient, so it never is the second one;
and where it is ignored (nohup) it stays so.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ft.system.progress import SafeStream
from ft.system.quiet import open_stderr

AGAIN = "again to quit now"


class Interrupted(Exception):
    """A run was asked to stop, and saved itself first. Commands exit with 128 + `number`."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class Stopped(KeyboardInterrupt):
    """A command was asked to end by a signal; it is told and cleaned up after as Python does at Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    number: int | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; a second one has the system's own effect, even within a long call into a framework.

        Not under torchrun, which sends a second one of its own accord, and kills what does not end.
        """
        if self.number is None:
            self.number = number
        for second in (signal.SIGINT, signal.SIGTERM):
            signal.signal(second, signal.SIG_IGN if "TORCHELASTIC_RUN_ID" in os.environ else signal.SIG_DFL)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Watch for signals while the block runs. Only the main thread can; elsewhere nothing is ever received."""
    request = StopRequest()
    with (
        handling(request.receive, signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
        answering(f"stopping after this step; {AGAIN}"),
    ):
        yield request


@contextmanager
def stops_are_errors(*, ctrl_c: bool = True) -> Iterator[None]:
    """Raise Stopped at a SIGTERM or SIGHUP while the block runs, and at Ctrl-C, which is answered first.

    ctrl_c: False leaves Ctrl-C to Python, which raises KeyboardInterrupt each time.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
        raise Stopped(number)

    if not ctrl_c or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, as in `ft ... &`
        with handling(stop, signal.SIGTERM, signal.SIGHUP):
            yield
        return
    with handling(stop, signal.SIGINT, signal.SIGTERM, signal.SIGHUP), answering(f"stopping; {AGAIN}"):
        yield


@contextmanager
def answering(text: str) -> Iterator[None]:
    """Print `text` at the first Ctrl-C while the block runs.

    Python's own handlers wait for the main thread to return from a framework, which may take a minute: another thread
    hears of the signal at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    with open_stderr() as stream:
        listener = threading.Thread(target=answer, args=(heard, text, SafeStream(stream)), daemon=True)
        listener.start()
        before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.write(told, b"\0")
            listener.join()
            os.close(told)
            os.close(heard)


def answer(heard: int, text: str, stream: SafeStream) -> None:
    """Print `text` at the first SIGINT of the signals that arrive, until a zero ends them.

    A second one arrives here only while the main thread has not seen the first: else it has ended the process.
    """
    asked = False
    while number := os.read(heard, 1)[0]:
        if number == signal.SIGINT and asked:
            os._exit(128 + number)
        if number == signal.SIGINT:
            asked = True
            stream.write(f"\r\x1b[K{text}\n" if stream.isatty() else f"{text}\n")  # in the place of a bar
            stream.flush()


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
