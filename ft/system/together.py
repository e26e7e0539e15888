"""Processes that are one piece of work: a bad end of one is the end of all, and a signal reaches each of them once.

Each has a process group of its own: Ctrl-C reaches only the one that started them, which passes it on. Where that is
killed, they stop by themselves, see follow.py.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO

from ft.system.follow import following
from ft.system.signals import handling

GRACE = 10.0  # seconds that the others have when one has failed: first to say so themselves, then to end at a SIGTERM
LINGER = 60.0  # seconds that the others have when one has ended at a signal: the writer saves
LOOK = 0.02  # seconds between two looks
KEPT = 8000  # characters of what a process said that are shown


@dataclass
class Member:
    """One of the processes; said: where its stderr is kept, None where it is seen as it comes."""

    number: int
    process: subprocess.Popen
    said: IO[bytes] | None

    def send(self, number: int) -> None:
        """Send a signal to it and to all that it started; nothing where it has ended."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def words(self) -> str:
        """Return the last of what it said, where that is kept."""
        if self.said is None:
            return ""
        self.said.seek(0)
        return self.said.read().decode(errors="replace")[-KEPT:]


class Stop:
    """The first signal that asks all to stop, passed on once; a second one ends all at once."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members, self.number, self.again = members, 0, False

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Pass the first one on. A SIGHUP is never the second one, for it comes more than once by itself."""
        if not self.number:
            self.number = number
            send_all(self.members, number)
        elif number != signal.SIGHUP:
            self.again = True


def run_together(
    command: Sequence[str], environments: Sequence[Mapping[str, str]], *, grace: float = GRACE, linger: float = LINGER
) -> int:
    """Run a command once for each environment and return the exit code of the one that failed first, 0 for none.

    The first of them is seen as it is. Of the others nothing is, but for the errors of the one that failed first.
    """
    with started(command, environments) as members:
        stop = Stop(members)
        with handling(stop.receive, signal.SIGINT, signal.SIGTERM, signal.SIGHUP), nobody_else_told():
            first = wait_for_all(members, stop, grace, linger)
        if first is None:
            return 128 + stop.number if stop.again else 0
        code = exit_code(first)
        if code != 128 + stop.number:
            report(first, code, members)
        return code


@contextmanager
def started(command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> Iterator[list[Member]]:
    """Start the processes; none of them is left behind the block."""
    members: list[Member] = []
    with ExitStack() as kept:
        try:
            for number, environment in enumerate(environments):
                said = kept.enter_context(tempfile.TemporaryFile()) if number else None
                streams = {"stdout": subprocess.DEVNULL, "stderr": said} if said else {}
                place = {"env": following(environment), "process_group": 0, "stdin": subprocess.PIPE}
                process = subprocess.Popen(command, **place, **streams)
                members.append(Member(number, process, said))
            yield members
        finally:
            send_all(members, signal.SIGKILL)
            for member in members:
                member.process.communicate()


@contextmanager
def nobody_else_told() -> Iterator[None]:
    """Let no thread answer Ctrl-C while the block runs: the first process says what it does."""
    before = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def wait_for_all(members: Sequence[Member], stop: Stop, grace: float, linger: float) -> Member | None:
    """Wait until all have ended, by force where one has ended badly; return the one that is the cause."""
    first, ends, due, forced = None, iter(()), 0.0, False
    while any(member.process.poll() is None for member in members) and not stop.again:
        first = first if forced else cause(first, members)
        if first is not None and not due:
            ends = forced_ends(members, exit_code(first) == 128 + stop.number, grace, linger)
            due = time.monotonic() + next(ends)
        elif first is not None and time.monotonic() >= due:
            forced, due = True, time.monotonic() + next(ends)
        time.sleep(LOOK)
    return first if forced else cause(first, members)


def forced_ends(members: Sequence[Member], stopped: bool, grace: float, linger: float) -> Iterator[float]:
    """Yield how long to wait, then go one step further: they may end by themselves, must at SIGTERM, do at SIGKILL."""
    if stopped:
        yield linger
    else:
        yield grace
        send_all(members, signal.SIGTERM)
        yield grace
    send_all(members, signal.SIGKILL)
    yield float("inf")


def send_all(members: Sequence[Member], number: int) -> None:
    """Send a signal to all that still run."""
    for member in members:
        member.send(number)


def cause(first: Member | None, members: Sequence[Member]) -> Member | None:
    """Return the one that failed first, or one that was killed: who missed it may be seen to end before it."""
    failed = [member for member in members if member.process.poll()]
    killed = [member for member in failed if member.process.returncode == -signal.SIGKILL]
    if first is not None and (first in killed or not killed):
        return first
    return min(killed or failed, key=lambda member: (member.process.returncode > 0, member.number), default=None)


def exit_code(member: Member) -> int:
    """Return the exit code as a shell has it: 128 + number for a signal."""
    code = member.process.returncode
    return 128 - code if code < 0 else code


def report(first: Member, code: int, members: Sequence[Member]) -> None:
    """Say what ended all, unless the first process has said it."""
    seen, total = members[0].process.returncode, len(members)
    if seen == first.process.returncode and (seen > 0 or first.number):
        sys.stderr.write(said_by_others(members))
        sys.stderr.flush()
        return
    sys.stderr.write(first.words())
    ended_by_itself = seen > 0 and seen != 128 + signal.SIGTERM
    if first.process.returncode < 0 and not ended_by_itself:
        print(
            f"error: process {first.number} of {total} was ended by {signal.Signals(code - 128).name}, and the others "
            "with it; a run that has a checkpoint goes on with --resume RUN",
            file=sys.stderr,
        )
    sys.stderr.flush()


def said_by_others(members: Sequence[Member]) -> str:
    """Return the error that one of them said for all: where it was the first, that is seen, and none of the others."""
    lines = (line for member in members for line in member.words().splitlines())
    return next((f"{line}\n" for line in lines if line.startswith("error: ")), "")
