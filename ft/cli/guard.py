"""A command's end: its exit code, and one line for a mistake, a signal or a bug."""

import signal
import sys
from collections.abc import Callable

from ft.errors import Elsewhere, UserError, memory_is_exhausted, printable

USER_ERROR, INTERNAL_ERROR = 2, 70
LONGEST = 2500  # characters of an error
LEAST_MEMORY = 1 << 28  # bytes of address space: with less, what NumPy stands on ends the process without a word
OUT_OF_MEMORY = "error: out of memory; try a smaller --batch-size, --image-size or network, or raise ulimit -v"


def guarded(command: Callable[[], int]) -> int:
    """Run a command; a user's mistake becomes one line and exit code 2, a signal 128 + its number, a bug 70.

    The code is that of the work, whatever becomes of the streams that it prints to.
    """
    from ft.system.progress import standing_streams
    from ft.system.signals import Interrupted, stops_are_errors

    with standing_streams():
        try:
            require_memory()
            with stops_are_errors(ctrl_c=memory_limit() is None):  # see is_of_a_library
                return command()
        except Interrupted as stopped:
            if str(stopped):  # else another rank says it
                print(printable(stopped), file=sys.stderr)
            return 128 + stopped.number
        except KeyboardInterrupt as stopped:
            if is_of_a_library(stopped):
                print(OUT_OF_MEMORY, file=sys.stderr)
                return USER_ERROR
            print("stopped; a run that has a checkpoint goes on with --resume RUN", file=sys.stderr)
            return 128 + getattr(stopped, "number", signal.SIGINT)
        except Exception as error:
            return failed(error)


def failed(error: Exception) -> int:
    """Say what ended a command and return its exit code."""
    if isinstance(error, Elsewhere):
        return USER_ERROR
    if isinstance(error, UserError):
        print(f"error: {in_a_line(str(error))}", file=sys.stderr)
        return USER_ERROR
    if memory_is_exhausted(error, ()) or exhausted_in_a_wing(error):
        print(OUT_OF_MEMORY, file=sys.stderr)
        return USER_ERROR
    return report_bug(error)


def in_a_line(said: str) -> str:
    """Return a message as one printable line; of a very long one, which quotes a file, the beginning and the end."""
    return without_middle(printable(without_middle(" ".join(said.split()))))


def without_middle(line: str) -> str:
    """Return the beginning and the end of a line that is too long."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 500]} ... {line[-490:]}"


def exhausted_in_a_wing(error: Exception) -> bool:
    """Tell whether a framework has no memory left; where there is none to ask with, that is the answer."""
    try:
        from ft.backend import contract as backend

        return memory_is_exhausted(error, backend.loaded())
    except (MemoryError, ImportError, OSError) as another:
        return memory_is_exhausted(another, ())


def memory_limit() -> int | None:
    """Return how many bytes of address space this process may have (ulimit -v), None for no limit."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def require_memory() -> None:
    """Raise UserError where the limit of memory is too low for any command."""
    limit = memory_limit()
    if limit is not None and limit < LEAST_MEMORY:
        raise UserError(
            f"the limit of memory (ulimit -v) is {limit >> 10} kB, expected at least {LEAST_MEMORY >> 10}; raise it"
        )


def is_of_a_library(stopped: KeyboardInterrupt) -> bool:
    """Tell whether nobody pressed Ctrl-C: OpenBLAS, short of memory, sends itself SIGINT while NumPy is imported."""
    place = stopped.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    loading = place is not None and place.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    return loading and memory_limit() is not None


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
