"""The cost model of N workers: its arithmetic by hand, what breaks first, and what a network's workers add up."""

import pytest

from ft.bench.scale import Means, Shared, breaks_at, shared_by, step_of, table_of
from ft.recipe import Recipe
from tests.oracle import needs_torch

LAN = Means(rate=100.0, link=1e9, latency=1e-4, disk=1e8, image=1e5)


def test_one_worker_only_computes():
    step = step_of(1, 50, Shared(1_000_000, (64,)), LAN)
    assert (step.seconds, step.efficiency) == (0.5, 1.0)


def test_a_step_by_hand():
    """Four workers, ten images each: 6 messages a sum; three quarters of the bytes twice through each link.

    A row of each: 3 messages, and three rows.
    """
    shared = Shared(1_000_000, (64,))
    assert (shared.sums, shared.rows) == ((24, 512, 4_000_008), (516,))
    step = step_of(4, 10, shared, LAN)
    assert step.images == 40
    assert step.compute == pytest.approx(0.1)
    assert step.bandwidth == pytest.approx((2 * 0.75 * 4_000_544 + 3 * 516) / 1e9)
    assert step.latency == pytest.approx((3 * 6 + 3) * 1e-4)
    assert step.reading == pytest.approx(0.01)
    assert step.efficiency == pytest.approx(0.1 / (0.1 + step.bandwidth + step.latency))


def test_frozen_norms_and_those_apart_cost_fewer_sums():
    assert len(Shared(10).sums) == 2
    apart = Shared(10, (64, 128), "off")
    assert (apart.sums, apart.rows) == ((24, 520, 1032, 48), ())


@pytest.mark.parametrize(
    ("change", "limit"),
    [({"link": 1e7}, "bandwidth"), ({"latency": 1e-2}, "latency"), ({"disk": 1e7, "own_disk": False}, "reading")],
)
def test_what_breaks_first_is_named(change, limit):
    shared = Shared(1_000_000)
    means = Means(**{**vars(LAN), **change})
    first = breaks_at(100, shared, means)
    assert (first.limit, first.efficiency < 0.9) == (limit, True)
    half = step_of(first.workers // 2, 100, shared, means)
    assert half.efficiency >= 0.9
    assert table_of([first])[1].split()[-1] == limit


def test_a_tree_of_1024_has_ten_levels():
    ring, tree = (step_of(1024, 1, Shared(1), Means(**{**vars(LAN), "tree": tree})) for tree in (False, True))
    assert ring.latency == pytest.approx(2 * 2 * 1023 * 1e-4)
    assert tree.latency == pytest.approx(2 * 2 * 10 * 1e-4)


@needs_torch
def test_what_trains_is_what_is_added_up():
    whole = shared_by(Recipe(model="resnet18", weights="none", freeze="none"), classes=1000)
    assert whole.parameters == 11_689_512  # torchvision's count
    assert (len(whole.channels), sum(whole.channels)) == (20, 4800)
    head = shared_by(Recipe(model="resnet18", weights="none"), classes=10)
    assert (head.parameters, head.channels) == (5130, ())
