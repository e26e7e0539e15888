"""What the environment says of a process among others, and what these can do for the hub."""

import json

import pytest

from ft.backend.ranks import Seat, seat_of, usual_backend
from ft.errors import RecipeError
from tests.ranks import on_ranks

TORCHRUN = {"WORLD_SIZE": "3", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}
WORKERS = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"]


def tf_config(**changes):
    config = {"cluster": {"worker": WORKERS}, "task": {"type": "worker", "index": 1}, **changes}
    return {"TF_CONFIG": json.dumps(config)}


def test_a_seat_in_either_wing():
    assert seat_of("torch", TORCHRUN) == Seat(1, 3, 1, "10.0.0.1")
    assert seat_of("tf", tf_config()) == Seat(1, 3, 1, "10.0.0.1")
    assert seat_of("tf", tf_config(task={"type": "worker", "index": 2})) == Seat(2, 3, 0, "10.0.0.1")
    assert seat_of("tf", tf_config(cluster={"worker": ["[::1]:1", "[::1]:2"]})) == Seat(1, 2, 1, "::1")


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": ""}, {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"}])
def test_one_process_is_alone(environment):
    assert seat_of("torch", environment) is None
    assert seat_of("tf", environment) is None
    assert seat_of("tf", tf_config(cluster={"worker": WORKERS[:1]}, task={"type": "worker", "index": 0})) is None


@pytest.mark.parametrize(
    ("backend", "environment", "words"),
    [
        ("torch", {**TORCHRUN, "RANK": "3"}, "RANK 3 of WORLD_SIZE 3"),
        ("torch", {**TORCHRUN, "RANK": "one"}, "RANK: got 'one', expected a whole number"),
        ("torch", {**TORCHRUN, "MASTER_ADDR": ""}, "MASTER_ADDR: not there"),
        ("torch", tf_config(), "TF_CONFIG names 3 workers, which are TensorFlow's"),
        ("tf", TORCHRUN, "torchrun starts PyTorch's processes, TensorFlow's need TF_CONFIG"),
        ("torch", {**TORCHRUN, "MASTER_PORT": "65536"}, "MASTER_PORT: got '65536', expected a whole number up to 65"),
        ("torch", {**TORCHRUN, "WORLD_SIZE": "9" * 5000}, "WORLD_SIZE: got '999"),
        ("tf", {"TF_CONFIG": "{"}, "TF_CONFIG: no JSON"),
        ("tf", {"TF_CONFIG": "[" * 100_000}, "TF_CONFIG: no JSON"),
        ("tf", {"TF_CONFIG": "[1]"}, "TF_CONFIG: it lacks what is needed"),
        ("tf", tf_config(task={"type": "worker"}), "TF_CONFIG: it lacks what is needed"),
        ("tf", tf_config(task={"type": "worker", "index": 3}), "index 3 of 3 workers"),
        ("tf", tf_config(cluster={"worker": WORKERS, "ps": WORKERS}), "all processes are to be of type worker"),
    ],
)
def test_what_makes_no_sense_is_one_line(backend, environment, words):
    with pytest.raises(RecipeError) as caught:
        seat_of(backend, environment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_wing_of_a_training_that_names_none():
    assert (usual_backend({}), usual_backend(TORCHRUN), usual_backend(tf_config())) == ("torch", "torch", "tf")


def test_what_each_gives_reaches_all_in_order():
    given = [b"", b"\x00\xff\x80", b"x" * 1001]
    assert on_ranks(3, lambda ranks: ranks.gather(given[ranks.rank])) == [given] * 3
    assert on_ranks(3, lambda ranks: ranks.gather_json({"rank": ranks.rank}))[2] == [{"rank": r} for r in range(3)]
