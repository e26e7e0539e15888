"""What a person sees while a run goes on: a bar on a terminal, one line an epoch elsewhere. All of it on stderr.

Results belong on stdout, so that they can be piped; progress never mixes with them. A terminal that goes away, or a
reader that hangs up, silences the progress and never ends a run.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any, TextIO, cast

from ft.errors import printable
from ft.system.quiet import open_stderr

CONTROLS = re.compile(r"\x1b\[[\d;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a colour, or any but tab and newline


class SafeStream:
    """A text stream that cannot fail: from the first error on it says nothing, and it escapes what it cannot encode.

    plain: it also escapes what moves the cursor or does worse to a terminal; colours stay, on a terminal.
    """

    def __init__(self, stream: "TextIO | SafeStream | None", *, plain: bool = False) -> None:
        self._stream = stream._stream if isinstance(stream, SafeStream) else stream
        self._plain = plain
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write `text` and return its length."""
        shown = CONTROLS.sub(self._escape, text) if self._plain else text
        safe = shown.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self._attempt(lambda stream: stream.write(safe))
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._attempt(lambda stream: stream.flush())

    def close(self) -> None:
        """Close the stream, where there still is one."""
        self._attempt(lambda stream: stream.close())

    def isatty(self) -> bool:
        """Tell whether a person is watching."""
        return bool(self._attempt(lambda stream: stream.isatty()))

    def fileno(self) -> int:
        """Return the descriptor; raises OSError where there is none, as for any stream."""
        if self._stream is None:
            raise OSError("the stream is closed")
        return self._stream.fileno()

    def _escape(self, control: re.Match[str]) -> str:
        colour = len(control[0]) > 1 and self.isatty()
        return control[0] if colour else control[0].encode("unicode_escape").decode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Callable[[TextIO], Any]) -> Any:
        if self._stream is None:
            return None
        try:
            return action(self._stream)
        except (OSError, ValueError):  # hung up (EPIPE, EIO), or closed
            discard_buffer(self._stream)
            self._stream = None
            return None


def discard_buffer(stream: TextIO) -> None:
    """Lead a broken stream to /dev/null: else its last buffer fails once more at exit, with exit code 120."""
    with contextlib.suppress(OSError, ValueError):
        descriptor, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextmanager
def standing_streams() -> Iterator[None]:
    """Let no standard stream end the block, whatever becomes of it: closed, full, or a pipe that nobody reads."""
    for descriptor in range(3):
        occupy(descriptor)
    before = sys.stdout, sys.stderr
    safe = SafeStream(sys.stdout, plain=True), SafeStream(sys.stderr, plain=True)
    sys.stdout, sys.stderr = cast(Any, safe)
    try:
        yield
    finally:
        for stream in safe:
            stream.flush()
        sys.stdout, sys.stderr = before


def occupy(descriptor: int) -> None:
    """Lead a descriptor that the caller closed to /dev/null: else the next file that is opened gets its number, and
    whatever a library prints.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free


class Progress:
    """The progress of one training. A context manager; `step` after every update, `end_epoch` after every epoch.

    told: the metrics in the line of an epoch; unit: what is counted; done: updates that were done before,
    when a run is resumed.
    """

    def __init__(
        self,
        total_epochs: int,
        steps_per_epoch: int,
        *,
        told: Sequence[str] = (),
        unit: str = "image",
        done: int = 0,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self.total_epochs, self.told, self.unit = total_epochs, told, unit
        self.steps_per_epoch = steps_per_epoch
        self._out = SafeStream(None if quiet else stream or sys.stderr)
        self._bar = training_bar(self._out) if self._out.isatty() else None
        self._task: Any = None
        self._epoch, self._steps = done // steps_per_epoch + 1, done % steps_per_epoch
        self._images = 0
        self._began = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, images: int, loss: float | None = None) -> None:
        """Count one update of `images` images; `loss` where it is known on the host just now."""
        if not self._bar:
            return
        if self._task is None:
            self._begin_epoch(self._bar)
        self._steps += 1
        self._images += images
        rate = self._images / max(time.monotonic() - self._began, 1e-9)
        known = {} if loss is None else {"loss": f"loss {loss:.4f}"}
        full = self._steps == self.steps_per_epoch  # shown at once, for an evaluation may follow
        self._bar.update(self._task, advance=1, refresh=full, rate=f"{rate:.0f} {self.unit}s/s", **known)

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Print the line of an epoch. row: epoch, and the figures of `epoch_line` that are known."""
        if self._bar and self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.refresh()
            self._task = None
        self._epoch, self._steps = row["epoch"] + 1, 0
        self.note(epoch_line(row, self.total_epochs, self.told, self.unit))

    def note(self, text: str) -> None:
        """Print a line of its own, above the bar where there is one. It may hold names from anywhere."""
        text = printable(text)
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._out.write(text + "\n")
            self._out.flush()

    def counting(
        self, title: str, total: int, unit: str | None = None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Show how many of `total` are done before the epochs begin, and give the callback that counts."""
        return counting(title, total, unit or self.unit, stream=self._out, console=self._bar and self._bar.console)

    def _begin_epoch(self, bar: Any) -> None:
        self._images = 0
        self._began = time.monotonic()
        name = f"epoch {self._epoch}/{self.total_epochs}"
        self._task = bar.add_task(name, total=self.steps_per_epoch, completed=self._steps, loss="", rate="")
        bar.start()


def epoch_line(row: dict[str, Any], total_epochs: int, told: Sequence[str], unit: str = "image") -> str:
    """Return the line of an epoch, "epoch  3/20  loss 0.8123  val loss 0.7011  top1 0.861  1234 images/s"."""
    width = len(str(total_epochs))
    parts = [f"epoch {row['epoch']:{width}d}/{total_epochs}"]
    for key, form in (
        ("loss", "loss {:.4f}"),
        ("val_loss", "val loss {:.4f}"),
        *((name, name.replace("_", " ") + " {:.3f}") for name in told),
        ("images_per_second", "{:.0f} " + f"{unit}s/s"),
    ):
        if row.get(key) is not None:
            parts.append(form.format(row[key]))
    return "  ".join(parts)


def training_bar(out: SafeStream) -> Any:
    """Return rich's bar for the updates of an epoch; it leaves nothing behind when it stops."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return bar(
        out,
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )


def bar(out: SafeStream, *columns: Any, console: Any = None, redirect_stderr: bool = True) -> Any:
    """Return rich's bar with these columns on `out`. Lines that others write to stderr appear above it."""
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    console = console or Console(file=out, force_terminal=True)  # type: ignore[arg-type] - all that rich asks of a file
    return RichProgress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=redirect_stderr
    )


@contextmanager
def download_bar(
    filename: str, *, quiet: bool = False, stream: TextIO | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """Show a download and give the callback(done, total) that reports it, in bytes; total is None where unknown."""
    out, filename = SafeStream(None if quiet else stream or sys.stderr), printable(filename)
    if not out.isatty():
        out.write(f"downloading {filename}\n")
        out.flush()
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

    with bar(out, TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as shown:
        task = shown.add_task(filename, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def counting(
    title: str,
    total: int,
    unit: str = "image",
    *,
    quiet: bool = False,
    stream: TextIO | SafeStream | None = None,
    console: Any = None,
) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` images are done, or of another unit, and give the callback that counts so many more.

    console: rich's, where one is in use already: lines that are printed to it appear above the bar.
    """
    title = printable(title)
    out = stream if isinstance(stream, SafeStream) else SafeStream(None if quiet else stream or sys.stderr)
    if not out.isatty():
        out.write(f"{title} {total} {unit}{'' if total == 1 else 's'}\n")
        out.flush()
        yield lambda images: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(compact=True)
    with bar(out, TextColumn("{task.description}"), *columns, TextColumn("left"), console=console) as shown:
        task, began, done = shown.add_task(title, total=total, rate=""), time.monotonic(), 0

        def add(more: int) -> None:
            nonlocal done
            done += more
            rate = done / max(time.monotonic() - began, 1e-9)
            shown.update(task, completed=done, rate=f"{rate:.3g} {unit}s/s" if rate < 10 else f"{rate:.0f} {unit}s/s")

        yield add


@contextmanager
def stages(total: int, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is at hand, one of `total` things after the other, and give the callback that names the next one.

    It is seen within `quiet_stderr`, too.
    """
    with open_stderr() as stream:
        out = SafeStream(None if quiet else stream)
        if not out.isatty():
            yield lambda text: print(printable(text), file=cast(Any, out), flush=True)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with bar(out, *columns, redirect_stderr=False) as shown:  # else it would show what is held back
            task, numbers = shown.add_task("", total=total), count()
            yield lambda text: shown.update(task, completed=next(numbers), description=printable(text), refresh=True)
