"""Threads that read images, as a ThreadPoolExecutor has, but one that hangs does not keep the process from ending."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class Readers:
    """`count` threads that do tasks in the order of `submit`. They are daemons: no one waits for them at exit."""

    def __init__(self, count: int) -> None:
        self.tasks: SimpleQueue[Work | None] = SimpleQueue()
        self.threads = [Thread(target=self.work, name=f"ft-data_{i}", daemon=True) for i in range(count)]
        self.hang = False
        for thread in self.threads:
            thread.start()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have `function` called by the next free thread."""
        future: Future[Result] = Future()
        self.tasks.put((future, function, arguments))
        return future

    def result(self, future: Future[Result], *, timeout: float) -> Result:
        """Return what a task returned or raise what it raised; TimeoutError after so many seconds of waiting for it.

        Tasks are begun in order: one whose predecessors have ended is under way, and the waiting is for it alone.
        """
        try:
            return future.result(timeout)
        except TimeoutError:
            self.hang = not future.done()  # else the task itself raised it
            raise

    def close(self) -> None:
        """Drop what was not begun and wait for the rest, unless a thread is known to hang."""
        with suppress(Empty):
            while True:
                self.tasks.get_nowait()
        for _ in self.threads:
            self.tasks.put(None)
        for thread in () if self.hang else self.threads:
            thread.join()

    def work(self) -> None:
        """Do one task after the other until there is None."""
        while (task := self.tasks.get()) is not None:
            future, function, arguments = task
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)
