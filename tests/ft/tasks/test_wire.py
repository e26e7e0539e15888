"""Meters and tables of every task survive the way from rank to rank, and join there as if one had seen all."""

import numpy as np
import pytest

from ft.tasks import TASKS
from ft.tasks.wire import fill, packed, received
from tests.ft.tasks.test_task import MORE

K = 4


def batch(task, rng):
    """Return outputs and targets as a task has them."""
    n = 5
    if task.name == "segmentation":
        return {"logits": rng.normal(size=(n, 3, 3, K))}, {"mask": rng.integers(0, K, (n, 3, 3)).astype(np.uint8)}
    if task.labels in MORE:
        return MORE[task.labels](detections(n, rng), rng)
    if task.name in ("token-classification", "language-model"):
        return {"logits": rng.normal(size=(n, 6, K))}, {"tokens": rng.integers(0, K, (n, 6))}
    if task.name == "regression":
        return {"logits": rng.normal(size=(n, 1))}, {"values": rng.normal(size=n)}
    labels = rng.integers(0, K, n)
    return {"logits": rng.normal(size=(n, K))}, {"labels": labels, "shares": np.eye(K)[labels]}


def detections(n, rng):
    """Return what a detector says of pictures, and their own boxes; numbers in the data do not repeat."""
    corners = np.sort(rng.uniform(0, 32, (2, n, 3, 2, 2)), 3).reshape(2, n, 3, 4)
    classes = rng.integers(0, K, (2, n, 3))
    own = {"own_boxes": corners[1], "own_labels": classes[1], "own_aside": np.zeros((n, 3), bool)}
    size, scale = np.full((n, 2), 200), np.ones((n, 2))
    found = {"boxes": corners[0], "scores": rng.uniform(size=(n, 3)), "classes": classes[0]}
    return found, {**own, "size": size, "scale": scale, "index": rng.permutation(1000)[:n]}


def sinks(task):
    return task.meter(("O", "B-A", "I-A", "B-B")), task.predictions()


def plain(value):
    """Return an object's state as nested lists and numbers, to compare."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: plain(item) for name, item in vars(value).items()}
    return value


def figures(meter):
    """Return what a meter measures, but what is none."""
    return {name: value for name, value in meter.result().items() if value is not None}


@pytest.mark.parametrize("name", TASKS)
def test_parts_join_to_the_whole(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    whole, parts = sinks(task), [sinks(task), sinks(task)]
    for part in parts:
        seen = batch(task, rng)
        for sink in (*whole, *part):
            sink.update(*seen)
    arrived = [sinks(task), sinks(task)]
    for part, other in zip(parts, arrived, strict=True):
        fill(other, packed(part))
        assert plain(other[1]) == plain(part[1])
        assert figures(other[0]) == pytest.approx(figures(part[0]), rel=0, nan_ok=True)
    for one, two, all_seen in zip(*arrived, whole, strict=True):
        one.merge(two)
        assert type(one) is type(all_seen)
    assert plain(arrived[0][1]) == plain(whole[1])
    assert figures(arrived[0][0]) == pytest.approx(figures(whole[0]), rel=1e-12, nan_ok=True)


def test_arrays_arrive_to_the_bit():
    given = {"a": np.array([[1.5, np.nan]], np.float32), "b": np.zeros((0, 3)), "c": np.array(7)}
    (found,) = received(packed([given]))
    assert all(found[k].dtype == x.dtype and np.array_equal(found[k], x, equal_nan=True) for k, x in given.items())
