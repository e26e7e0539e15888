"""The watch over ranks hears of a stranger, a farewell and a step; that it ends processes is seen in parity_tests."""

import json
import socket
import time

import pytest

from ft.backend.watch import Watch, listening
from ft.errors import RankLost
from tests.ranks import on_ranks


def watches(size=3, timeout=20.0):
    return on_ranks(size, lambda ranks: Watch(ranks.rank, "127.0.0.1", timeout, ranks.gather))


def test_who_parts_is_not_missed():
    found = watches()
    assert on_ranks(3, lambda ranks: found[ranks.rank].part()) == [None] * 3
    assert found[0].parted == {1, 2}


def test_rank_0_may_know_itself_by_another_address():
    hosts = ("127.0.0.1", "127.0.0.2")
    found = on_ranks(2, lambda ranks: Watch(ranks.rank, hosts[ranks.rank], 20.0, ranks.gather))
    assert on_ranks(2, lambda ranks: found[ranks.rank].part()) == [None] * 2


def test_the_rank_that_did_not_come_is_named():
    found = watches()
    for watch, step in zip(found, (5, 5, 4), strict=True):
        watch.step = step
        watch.send("beat")
    end = time.monotonic() + 10
    while {peer: step for peer, (_, step) in found[0].heard.items()} != {1: 5, 2: 4}:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "rank 2 did not come to step 5 within 20 s" in str(found[0].judge(RankLost("timed out")))
    on_ranks(3, lambda ranks: found[ranks.rank].part())


def test_the_rank_that_is_silent_is_named(monkeypatch):
    monkeypatch.setattr(Watch, "beat", lambda self: None)
    found = watches()
    now = time.monotonic()
    found[0].heard = {1: (now + 60, 5), 2: (now - 9, 5)}
    found[0].step = 5
    assert "rank 2 does not answer in step 5" in str(found[0].judge(RankLost("lost")))
    on_ranks(3, lambda ranks: found[ranks.rank].part())


def test_a_stranger_is_not_let_in():
    def gather(content):
        if content == b"127.0.0.1":
            return [content]
        port, secret = json.loads(content)
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"0" * 40)
        friend = socket.create_connection(("127.0.0.1", port))
        friend.sendall(f"{secret}{1:08d}".encode())
        calls.append(friend)
        return [content, b""]

    calls: list[socket.socket] = []
    watch = Watch(0, "127.0.0.1", 20.0, gather)
    assert list(watch.lines) == [1]
    watch.parted.add(1)
    watch.part()
    calls[0].close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.1"])
def test_rank_0_is_reached_at_an_address_of_either_kind_or_at_all_of_its_own(host):
    """The last one is nobody's."""
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with listening(host) as server:
        called = "127.0.0.1" if host == "192.0.2.1" else host
        socket.create_connection((called, server.getsockname()[1]), timeout=5).close()
