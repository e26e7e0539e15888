"""Memory that ranks of one machine share: each writes there what it has, and reads what all have.

A sum by way of sockets copies every number through the system four times; here it is one copy and the additions.
"""

import mmap
import os
import socket
import struct
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from ft.errors import RankLost

MEMORY = Path("/dev/shm")  # Linux's; elsewhere a file does
PART = 1 << 21  # bytes that a rank writes at once


class Board:
    """Two halves of memory with a row for each rank, used in turn, and lines by which the ranks wait for each other.

    Who writes into a half knows that all have read what was there: they have met at the other one since.
    """

    def __init__(self, rank: int, size: int, memory: mmap.mmap, lines: list[socket.socket]) -> None:
        self.rank, self.size, self.memory, self.lines, self.turn = rank, size, memory, lines, 0
        self.halves = np.frombuffer(memory, np.uint8).reshape(2, size, PART)

    def add_up(self, array: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return the sum of all ranks' arrays in `out`, in the order of the ranks: the same bits on all.

        Both are contiguous; they may be one.
        """
        flat, sums, step = array.reshape(-1), out.reshape(-1), PART // array.itemsize
        for start in range(0, len(flat), step):
            self.add_part(flat[start : start + step], sums[start : start + step])
        return out

    def add_part(self, part: np.ndarray, sums: np.ndarray) -> None:
        """Add up what fits into a row: each rank a share of it, which the others read."""
        rows = self.rows(part)
        shares = [slice(r * len(part) // self.size, (r + 1) * len(part) // self.size) for r in range(self.size)]
        own = rows[:, shares[self.rank]]
        total = np.add(own[0], own[1], out=sums[shares[self.rank]])
        for row in own[2:]:
            total += row
        own[self.rank] = total
        self.meet()
        for rank, share in enumerate(shares):
            if rank != self.rank:
                sums[share] = rows[rank, share]

    def rows(self, part: np.ndarray) -> np.ndarray:
        """Return what each rank has for part (n,), a row each, until the next but one."""
        self.turn ^= 1
        rows = self.halves[self.turn].view(part.dtype)[:, : len(part)]
        rows[self.rank] = part
        self.meet()
        return rows

    def meet(self) -> None:
        """Wait until all ranks are here: rank 0 hears of each, and tells them."""
        try:
            if self.rank:
                self.lines[0].send(b".")
            for line in self.lines:
                if not line.recv(1):
                    raise OSError("a rank is gone")
            if not self.rank:
                for line in self.lines:
                    line.send(b".")
        except OSError as error:
            raise lost(self.rank, "it did not come" if isinstance(error, BlockingIOError) else str(error)) from None

    def close(self) -> None:
        """Part."""
        for line in self.lines:
            line.close()


def lost(rank: int, why: str) -> RankLost:
    """Return the error of a rank that waits in vain."""
    how = "start all of them again, a run that has a checkpoint goes on with --resume RUN"
    return RankLost(f"rank {rank}: lost the other ranks ({why}); {how}")


def shared_board(ranks: Any, timeout: float) -> Board | None:
    """Return the ranks' board; None where not all are on one machine, or it has no memory to share.

    timeout: how long they wait for each other, in seconds.
    """
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as kept, ExitStack() as lines:
        made = None if ranks.rank else prepared(ranks.size, server, kept)
        told = ranks.gather(os.fsencode(made[0]) if made else b"")[0]
        line = line_to(Path(os.fsdecode(told)), lines) if told and ranks.rank else None
        if not all_have(ranks, made or line):
            return None
        own = [line] if line else [lines.enter_context(server.accept()[0]) for _ in range(ranks.size - 1)]
        patience = struct.pack("ll", int(timeout), int(timeout % 1 * 1e6))
        for each in own:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        memory = mapped(ranks, made[1] if made else None, own)
        if not all_have(ranks, memory) or memory is None:
            return None
        lines.pop_all()
        return Board(ranks.rank, ranks.size, memory, own)


def all_have(ranks: Any, what: object) -> bool:
    """Tell whether every rank has it."""
    return ranks.sum(np.array([float(what is not None)]))[0] == ranks.size


def prepared(size: int, server: socket.socket, kept: ExitStack) -> tuple[Path, IO[bytes]] | None:
    """Return a folder in which `server` listens, and memory for so many ranks; None where there is none.

    The memory is a file without a name: it goes with the processes, however they end. It is written once, for what a
    full disk lacks would end them where they use it.
    """
    with suppress(OSError), ExitStack() as own:
        file = own.enter_context(tempfile.TemporaryFile(dir=MEMORY if MEMORY.is_dir() else None))
        for _ in range(2 * size):
            file.write(bytes(PART))
        file.flush()
        folder = Path(own.enter_context(tempfile.TemporaryDirectory(prefix="ft-", ignore_cleanup_errors=True)))
        server.bind(str(folder / "line"))
        server.listen(size)
        kept.push(own.pop_all())
        return folder, file
    return None


def line_to(folder: Path, lines: ExitStack) -> socket.socket | None:
    """Return a line to rank 0, which `lines` closes; None where the folder is another machine's."""
    line = lines.enter_context(socket.socket(socket.AF_UNIX))
    with suppress(OSError):
        line.connect(str(folder / "line"))
        return line
    return None


def mapped(ranks: Any, file: IO[bytes] | None, lines: list[socket.socket]) -> mmap.mmap | None:
    """Return the memory, of which rank 0 has the file, and hands it to the others; None where it cannot be had."""
    with suppress(OSError, ValueError):
        if file:
            for line in lines:
                socket.send_fds(line, [b"."], [file.fileno()])
            return mmap.mmap(file.fileno(), 2 * ranks.size * PART)
        (number,) = socket.recv_fds(lines[0], 1, 1)[1]
        with open(number, "r+b", buffering=0) as own:
            return mmap.mmap(own.fileno(), 2 * ranks.size * PART)
    return None
