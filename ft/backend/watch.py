"""A watch over ranks that train together: whichever ends or stops answering, all end, and one of them says why.

The engines notice a lost process late, each in words of its own, or not at all. Here every rank keeps a line open to
rank 0, which the system closes when a process dies, and sends a beat with its step along it.
"""

import hmac
import json
import os
import secrets
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ft.errors import RankLost, printable

ENDED = 2  # exit code
GRACE = 10.0  # seconds in which rank 0 has to say what became of a rank that an engine misses
Send = Callable[[bytes], list[bytes]]  # what each rank gives, to all


def closed(line: socket.socket) -> bool:
    """Tell whether the other end is gone, whatever of it is still to be read."""
    asked, gone = select.poll(), getattr(select, "POLLRDHUP", select.POLLHUP)
    asked.register(line, gone)
    return bool(asked.poll(0))


class Watch:
    """One rank's end of the lines: on rank 0 one to each other rank, on these one to rank 0.

    step: how far this rank has come; before_end: called before the process is ended, such as a wait for a checkpoint.
    """

    def __init__(self, rank: int, host: str, timeout: float, gather: Send) -> None:
        self.rank, self.timeout, self.step = rank, timeout, 0
        self.pause = min(1.0, timeout / 4)  # seconds between two beats
        self.before_end: Callable[[], Any] = lambda: None
        self.lines: dict[int, socket.socket] = {}
        self.parted: set[int] = set()  # who said that it needs no watching any more
        self.heard: dict[int, tuple[float, int]] = {}  # when, and at which step
        self.lock, self.ending = threading.Lock(), threading.Lock()
        self.connect(host, gather)
        for peer in self.lines:
            self.heard[peer] = (time.monotonic(), 0)
            threading.Thread(target=self.listen, args=(peer,), daemon=True, name="ft-watch").start()
        threading.Thread(target=self.beat, daemon=True, name="ft-beat").start()

    def connect(self, host: str, gather: Send) -> None:
        """Open the lines. Who calls must know a secret that the ranks have told each other."""
        hosts = set(gather(host.encode()))  # rank 0 may call itself localhost
        server = listening(host if len(hosts) == 1 else None) if self.rank == 0 else None
        if server:
            server.settimeout(self.timeout)
        secret = secrets.token_hex(16) if server else ""
        told = gather(json.dumps([server.getsockname()[1], secret] if server else None).encode())
        port, secret = json.loads(told[0])
        if server is None:
            self.lines[0] = self.call(host, port, f"{secret}{self.rank:08d}".encode())
        else:
            with server:
                while len(self.lines) < len(told) - 1:
                    self.accept(answered(server), secret)
        for line in self.lines.values():
            line.settimeout(None)

    def call(self, host: str, port: int, words: bytes) -> socket.socket:
        """Return a line to rank 0."""
        try:
            line = socket.create_connection((host, port), timeout=self.timeout)
            line.sendall(words)
            return line
        except OSError as error:
            trouble = f"rank {self.rank} cannot reach rank 0 at {host}:{port} ({error})"
            raise RankLost(f"{trouble}; let the machines of the ranks reach each other at every port") from None

    def accept(self, line: socket.socket, secret: str) -> None:
        """Take a call, but from a stranger."""
        line.settimeout(GRACE)
        with suppress(OSError, ValueError):
            said = b""
            while len(said) < len(secret) + 8 and (more := line.recv(len(secret) + 8 - len(said))):
                said += more
            if hmac.compare_digest(said[: len(secret)], secret.encode()):
                self.lines[int(said[len(secret) :])] = line
                return
        line.close()

    def send(self, what: str, words: str = "") -> None:
        """Send a message along all lines."""
        message = json.dumps([what, self.step, words]).encode() + b"\n"
        for line in list(self.lines.values()):
            with self.lock, suppress(OSError):
                line.sendall(message)

    def beat(self) -> None:
        """Tell of this rank, and look whether all others are heard of."""
        while self.lines:
            self.send("beat")
            for peer, (when, _) in list(self.heard.items()):
                if self.watches(peer) and time.monotonic() - when > self.timeout:
                    self.end(f"rank {peer} does not answer in step {self.step}", by=peer)
            time.sleep(self.pause)

    def listen(self, peer: int) -> None:
        """Hear what a peer says until it parts, or is gone."""
        with suppress(OSError, ValueError), self.lines[peer].makefile("rb") as stream:
            for message in stream:
                what, step, words = json.loads(message)
                self.heard[peer] = (time.monotonic(), step)
                if what == "bye":
                    self.parted.add(peer)
                if what == "end":
                    self.end(f"rank {peer}: {words}" if words else "", by=peer)
        if self.watches(peer):
            self.end(f"rank {peer} ended in step {self.step}", by=peer)

    def watches(self, peer: int) -> bool:
        """Tell whether the end of a peer would be one that nobody expects."""
        return peer in self.lines and peer not in self.parted

    def end(self, words: str, *, by: int) -> None:
        """End this process, and on rank 0 all others; say why where nobody has. by: who is the cause."""
        self.ending.acquire()  # never released: it is said once
        if self.rank == 0:
            self.send("end")
        if words and self.rank == (1 if by == 0 else 0):
            how = "start all ranks again; a run that has a checkpoint goes on with --resume RUN"
            with suppress(Exception):
                print(f"error: {printable(words)}; {how}", file=sys.stderr, flush=True)
        with suppress(Exception):
            self.before_end()
        os._exit(ENDED)

    def tell(self, words: str) -> None:
        """Let all others end; "" where this rank has said why."""
        self.send("end", words)
        self.drop()

    def part(self) -> None:
        """Part from the others, who stop looking after this rank, and hear them do so: who just ends loses words."""
        self.send("bye")
        end = time.monotonic() + GRACE
        while self.lines.keys() - self.parted and time.monotonic() < end:
            time.sleep(0.01)
        self.drop()

    def drop(self) -> None:
        """Close the lines."""
        lines = list(self.lines.values())
        self.lines.clear()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def judge(self, lost: RankLost) -> RankLost:
        """Return what to raise where an engine misses a rank: rank 0 knows which, the others wait for its word."""
        if self.rank:
            time.sleep(GRACE)
            return lost
        time.sleep(0.5)  # where a line is closed, that says more: who hears of it ends this process
        if any(self.watches(peer) and closed(line) for peer, line in list(self.lines.items())):
            time.sleep(GRACE)
        now, how = time.monotonic(), "a run that has a checkpoint goes on with --resume RUN"
        silent = [peer for peer, (when, _) in self.heard.items() if self.watches(peer) and now - when > 4 * self.pause]
        if silent:
            return RankLost(f"rank {silent[0]} does not answer in step {self.step}; start all ranks again; {how}")
        late = [peer for peer, (_, step) in self.heard.items() if self.watches(peer) and step < self.step]
        if not late:
            return lost
        seconds = f"{self.timeout:g} s"
        return RankLost(
            f"rank {late[0]} did not come to step {self.step} within {seconds}; mend what holds it up, or raise "
            f"--rank-timeout; {how}"
        )


def listening(host: str | None) -> socket.socket:
    """Return a socket for calls from other ranks, at the address that they all know where it is this machine's own."""
    with suppress(OSError):  # it may be the name of a service, or of a gateway
        if host:
            family, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address, family=family, backlog=4096)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return socket.create_server(("", 0), family=family, backlog=4096, dualstack_ipv6=both)


def answered(server: socket.socket) -> socket.socket:
    """Return the next call."""
    try:
        return server.accept()[0]
    except OSError:
        raise RankLost("a rank did not call rank 0; start all ranks again, on machines that reach each other") from None
