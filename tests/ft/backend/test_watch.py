"""The watch over ranks hears of a stranger, a farewell and a step; that it ends processes is seen in parity_tests."""

import json
import socket
import threading
import time

from ft.backend import watch
from ft.backend.watch import Watch, closed
from ft.errors import RankLost
from tests.ranks import on_ranks


def watches(size=3, timeout=600.0):
    return on_ranks(size, lambda ranks: Watch(ranks.rank, "127.0.0.1", timeout, ranks.gather))


def wait_until(told):
    """Wait for something, and fail where it does not come."""
    end = time.monotonic() + 300
    while not told():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_parts_is_not_missed():
    found = watches()
    assert on_ranks(3, lambda ranks: found[ranks.rank].part()) == [None] * 3
    assert found[0].parted == {1, 2}


def test_the_rank_that_did_not_come_is_named():
    found = watches()
    for each, step in zip(found, (5, 5, 4), strict=True):
        each.step = step
        each.send("beat")
    wait_until(lambda: [step for _, step in found[0].heard.values()] == [5, 4])
    assert "rank 2 did not come to step 5 within 600 s" in str(found[0].judge(RankLost("timed out")))
    on_ranks(3, lambda ranks: found[ranks.rank].part())


def test_the_rank_that_is_silent_is_named():
    found = watches()
    with found[2].lock:  # under which it sends: this is its last word
        found[2].lines[0].sendall(b'["beat", 7, ""]\n')
        wait_until(lambda: found[0].heard[2][1] == 7)
        found[0].heard = {1: (time.monotonic(), 5), 2: (time.monotonic() - 9, 5)}
        found[0].step = 5
        assert "rank 2 does not answer in step 5" in str(found[0].judge(RankLost("lost")))
    on_ranks(3, lambda ranks: found[ranks.rank].part())


def test_a_line_whose_other_end_is_gone_is_closed_though_words_of_it_are_unread():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"unread")
        assert not closed(ours)
        theirs.close()
        assert closed(ours)


def test_who_misses_a_rank_that_is_gone_leaves_the_word_to_who_hears_of_it(monkeypatch):
    found, heard = watches(2), threading.Event()
    found[0].end = lambda words, *, by: heard.wait(600)  # as a thread that comes to nothing
    with monkeypatch.context() as patch:
        patch.setattr(watch, "GRACE", 0.5)
        began = time.monotonic()
        found[1].drop()
        found[0].judge(RankLost("lost"))
        assert time.monotonic() - began >= 1.0
    heard.set()
    found[0].drop()


def test_a_stranger_is_not_let_in():
    def gather(content):
        if not json.loads(content):
            return [content]
        port, secret = json.loads(content)
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"0" * 40)
        friend = socket.create_connection(("127.0.0.1", port))
        friend.sendall(f"{secret}{1:08d}".encode())
        calls.append(friend)
        return [content, b""]

    calls: list[socket.socket] = []
    ours = Watch(0, "127.0.0.1", 600.0, gather)
    assert list(ours.lines) == [1]
    ours.parted.add(1)
    ours.part()
    calls[0].close()
