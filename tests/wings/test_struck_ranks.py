"""A rank is killed or stopped, is of another version, never comes, has a full disk: all end soon, with one line.

The last checkpoint is whole. Everything goes over the loopback address alone.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from ft.api.launch import environments, free_ports
from ft.runs import checkpoint
from ft.runs.folder import read_log
from ft.system.together import run_together
from tests.ft.robustness.crash import write_images
from tests.wings.installed import NATIVE

ROOT = Path(__file__).parents[2]
RECIPE = ["--model", "resnet18", "--cut", "layer2", "--weights", "none", "--image-size", "16", "--batch-size", "4"]
RECIPE += ["--epochs", "3", "--freeze", "none", "--cache", "off", "--workers", "0", "--data", "pets", "--out", "out"]
PATIENCE = 600  # seconds of --rank-timeout
BRIEF = 10  # where it runs out
SOON = 400  # seconds in which all have ended, the start of two frameworks on a busy machine included
PLACES = {  # function -> how often a training comes there, at least
    "ft.api.finetune.agree_on": 1,
    "ft.api.finetune.prepare_job": 1,
    "ft.api.session.build": 1,
    "ft.api.session.train_on": 1,
    "ft.training.loop:Training.run_step": 9,
    "ft.training.loop:Training.fetch": 3,
    "ft.training.loop.meet": 9,
    "ft.training.loop:Training.end_epoch": 3,
    "ft.training.loop:Training.save": 3,
    "ft.training.evaluate.join": 3,
    "ft.backend.ranks:Ranks.gather": 6,
    "ft.api.session.final_weights": 1,
}


@pytest.fixture
def train(tmp_path, monkeypatch, capfd):
    """Train in two processes, to which this happens; return exit code, lines of stderr, and how long it took."""
    write_images(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    for name, value in {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}.items():
        monkeypatch.setenv(name, value)

    def train(wing, *strikes, only=None):
        brief = only is not None or any(strike.get("deed") == "SIGSTOP" for strike in strikes)
        command = [sys.executable, "-m", "tests.wings.struck_rank", wing, "--quiet"]
        command += [*RECIPE, "--rank-timeout", str(BRIEF if brief else PATIENCE)]
        places = environments(2, wing)
        for rank, place in enumerate(places):
            place["STRIKE"] = json.dumps(strikes[rank] if rank < len(strikes) else {})
        began = time.monotonic()
        code = run_together(command, places if only is None else [places[only]])
        return code, capfd.readouterr().err.splitlines(), time.monotonic() - began

    return train


def require_good_end(code, lines, took, folder):
    """Assert that all ended soon, in words, and that what was saved can be gone on from."""
    assert code != 0
    assert took < SOON
    assert len([line for line in lines if line.startswith("error: ")]) == 1, lines
    assert not [line for line in lines if "Traceback" in line or "internal error" in line]
    if pointed := checkpoint.pointed(folder / "out", "last"):
        assert checkpoint.last_good(folder / "out").step >= checkpoint.load(pointed).step


def happens(rank, **strike):
    """Return what happens to each of the two, where it happens to one."""
    return ({}, strike) if rank else (strike, {})


@pytest.mark.parametrize("wing", NATIVE[:1])
@pytest.mark.parametrize(("rank", "deed"), [(1, "SIGKILL"), pytest.param(1, "SIGSTOP", marks=pytest.mark.slow)])
def test_a_rank_that_is_lost_is_the_end_of_all(train, tmp_path, wing, rank, deed):
    found = train(wing, *happens(rank, place="ft.training.loop:Training.run_step", call=5, deed=deed))
    require_good_end(*found, tmp_path)
    assert (tmp_path / "struck").exists()
    assert checkpoint.last_good(tmp_path / "out").step == 3
    assert "--resume" in "".join(found[1])


@pytest.mark.slow
@pytest.mark.parametrize("wing", NATIVE)
@pytest.mark.parametrize("draw", range(20))
def test_a_rank_killed_anywhere(train, tmp_path, wing, draw):
    random = Random(draw)
    place = random.choice(sorted(PLACES))
    rank, call = random.randrange(2), random.randint(1, PLACES[place])
    found = train(wing, *happens(rank, place=place, call=call, deed=random.choice(["SIGKILL", "SIGKILL", "SIGSTOP"])))
    assert (tmp_path / "struck").exists(), (place, call)
    require_good_end(*found, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("wing", NATIVE)
@pytest.mark.parametrize("only", [0, 1])
def test_the_others_never_come(train, tmp_path, wing, only):
    code, lines, took = train(wing, only=only)
    require_good_end(code, lines, took, tmp_path)
    assert code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("wing", NATIVE)
@pytest.mark.parametrize(
    ("strike", "words"),
    [
        ({"version": "0.0.1"}, "ft-parity 0.0.1 on rank 1"),
        ({"flags": ["--lr", "0.5"]}, "lr 0.5 on rank 1"),
        ({"flags": ["--momentum", "0.5"]}, "momentum 0.5 on rank 1"),
        ({"flags": ["--optimizer", "adam"]}, "optimizer adam on rank 1"),
        ({"flags": ["--lr", "fast"]}, "rank 1"),
    ],
)
def test_a_rank_that_was_started_otherwise_is_named(train, tmp_path, wing, strike, words):
    code, lines, took = train(wing, *happens(1, **strike))
    require_good_end(code, lines, took, tmp_path)
    assert (code, len(lines)) == (2, 1), lines
    assert words in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("wing", NATIVE)
@pytest.mark.parametrize("place", ["loop:Training.save", "loop:Training.end_epoch", "loop:Training.run_step"])
def test_a_full_disk_of_the_writer(train, tmp_path, wing, place):
    found = train(wing, *happens(0, place=f"ft.training.{place}", call=2, deed="full"))
    require_good_end(*found, tmp_path)
    assert found[0] == 2
    assert "No space left" in found[1][-1]
    assert os.path.exists(tmp_path / "struck")


@pytest.mark.slow
@pytest.mark.skipif("torch" not in NATIVE, reason="torchrun comes with PyTorch")
@pytest.mark.parametrize("machines", [1, 2])
def test_torchrun_starts_all_again_and_they_go_on(tmp_path, monkeypatch, machines):
    """A rank is killed in step 5 of 9; what is started again goes on behind the checkpoint of step 3, by itself."""
    write_images(tmp_path / "pets")
    strike = {"place": "ft.training.loop:Training.run_step", "call": 5, "deed": "SIGKILL", "rank": 1}
    monkeypatch.setenv("STRIKE", json.dumps(strike))
    command = [sys.executable, "-m", "torch.distributed.run", "--rdzv-backend", "c10d", "--nnodes", str(machines)]
    command += ["--rdzv-endpoint", f"127.0.0.1:{free_ports(1)[0]}", "--nproc-per-node", str(2 // machines)]
    command += ["--max-restarts", "2", "-m", "tests.wings.struck_rank", "torch", "--quiet", *RECIPE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    place = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **place) for _ in range(machines)]
    try:
        said = [process.communicate(timeout=2 * SOON)[1] for process in started]
    finally:
        for process in started:
            process.terminate()  # its ranks end with it, but not where it is killed
            process.wait()
    assert [process.returncode for process in started] == [0] * machines, said
    assert (tmp_path / "struck").exists()
    rows = [row for row in read_log(tmp_path / "out") if "loss" in row and "epoch_end" not in row]
    assert [row["step"] for row in rows] == list(range(1, 10))
    assert (tmp_path / "out" / "model.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("wing", NATIVE)
def test_ranks_stop_when_who_started_them_is_killed(tmp_path, monkeypatch, wing):
    """`ft launch` is killed: its ranks do their step, save, and end."""
    write_images(tmp_path / "pets")
    command = [sys.executable, "-m", "ft", "launch", "--processes", "2", "--backend", wing, *RECIPE, "--epochs", "500"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    started = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    end = time.monotonic() + 2 * SOON
    while checkpoint.pointed(tmp_path / "out", "last") is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    started.kill()
    _, said = started.communicate(timeout=SOON)  # until no rank holds the stream
    assert "stopped after step" in said.splitlines()[-1], said
    assert checkpoint.last_good(tmp_path / "out") is not None
