"""A line whose other end is gone is known as that, and who hears of it has the word."""

import socket
import threading
import time

from ft.backend import watch
from ft.errors import RankLost
from tests.ranks import PATIENCE, on_ranks


def test_a_line_is_closed_though_words_of_its_other_end_are_unread():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"unread")
        assert not watch.closed(ours)
        theirs.close()
        assert watch.closed(ours)


def test_who_misses_a_rank_that_is_gone_leaves_the_word_to_who_hears_of_it(monkeypatch):
    found = on_ranks(2, lambda ranks: watch.Watch(ranks.rank, "127.0.0.1", PATIENCE, ranks.gather))
    heard, began = threading.Event(), time.monotonic()
    found[0].end = lambda words, *, by: heard.wait(PATIENCE)  # as a thread that comes to nothing
    with monkeypatch.context() as patch:
        patch.setattr(watch, "GRACE", 0.5)
        found[1].drop()
        found[0].judge(RankLost("lost"))
        assert time.monotonic() - began >= 1.0
    heard.set()
    found[0].drop()
