"""A command's end: its exit code, and one line for a mistake, a signal or a bug."""

import signal
import sys
from collections.abc import Callable

from ft.errors import UserError, memory_is_exhausted, printable

USER_ERROR, INTERNAL_ERROR = 2, 70


def guarded(command: Callable[[], int]) -> int:
    """Run a command; a user's mistake becomes one line and exit code 2, a signal 128 + its number, a bug 70.

    The code is that of the work, whatever becomes of the streams that it prints to.
    """
    from ft.system.progress import standing_streams
    from ft.system.signals import Interrupted, stops_are_errors

    with standing_streams():
        try:
            with stops_are_errors():
                return command()
        except Interrupted as stopped:
            print(printable(stopped), file=sys.stderr)
            return 128 + stopped.number
        except KeyboardInterrupt as stopped:
            print("stopped; a run that has a checkpoint goes on with --resume RUN", file=sys.stderr)
            return 128 + getattr(stopped, "number", signal.SIGINT)
        except Exception as error:
            return failed(error)


def failed(error: Exception) -> int:
    """Say what ended a command and return its exit code."""
    if isinstance(error, UserError):
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return USER_ERROR
    from ft.backend import contract as backend

    if memory_is_exhausted(error, backend.loaded()):
        print("error: out of memory; try a smaller --batch-size, --image-size or network", file=sys.stderr)
        return USER_ERROR
    return report_bug(error)


def report_bug(error: Exception) -> int:
    """Save the stack trace of an internal error, say where it is, and return exit code 70."""
    import tempfile
    import traceback

    where = "the lines above"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ft-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        where = file.name
    except OSError:  # no room for it
        traceback.print_exception(error)
    what = printable(" ".join("".join(traceback.format_exception_only(error)).split()))
    print(f"internal error: {what}; this is a bug, please report it with {where}", file=sys.stderr)
    return INTERNAL_ERROR
