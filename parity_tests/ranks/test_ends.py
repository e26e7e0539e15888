"""However a rank ends, all end soon, one of them says why in one line, and the last checkpoint is good."""

import signal
import time

import pytest

from ft.runs import checkpoint
from parity_tests.support.ranks import ended, start

NETWORK = ("--model", "resnet18", "--cut", "layer2", "--weights", "none", "--freeze", "none", "--image-size", "16")
TINY = (*NETWORK, "--batch-size", "32", "--workers", "0", "--quiet", "--precision", "float64")
BOUND = 400  # seconds, of a machine that does other things as well


def training(wing, count, out, *flags, each=()):
    """Start ranks that train into a folder. each: further flags of each rank."""
    if not each:
        return start(wing, count, ["-m", f"ft_{wing}.train", *TINY, "--out", str(out), *flags])
    commands = [["-m", f"ft_{wing}.train", *TINY, "--out", str(out), *flags, *own] for own in each]
    return start(wing, count, commands)


def wait_for_checkpoint(processes, out):
    """Wait until a checkpoint is there."""
    while checkpoint.pointed(out, "last") is None:
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.1)


def require_one_line(found, *words):
    """Fail unless one rank alone says one line with these words."""
    lines = [line for _, _, errors in found for line in errors.splitlines()]
    assert len(lines) == 1, found
    assert all(word in lines[0] for word in words), lines


@pytest.mark.parametrize(
    ("wing", "count", "victim"),
    [
        ("torch", 3, 1),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [("torch", 2, 0), ("tf", 3, 2), ("tf", 2, 0)]),
    ],
)
def test_a_killed_rank_ends_all(wing, count, victim, tmp_path):
    out = tmp_path / "run"
    processes = training(wing, count, out, "--epochs", "200")
    wait_for_checkpoint(processes, out)
    processes[victim].kill()
    began = time.monotonic()
    found = ended(processes, BOUND)
    assert time.monotonic() - began < BOUND
    assert all(code for code, _, _ in found)
    require_one_line(found, f"rank {victim} ended in step", "goes on with --resume RUN")
    assert checkpoint.last_good(out) is not None


@pytest.mark.slow
@pytest.mark.parametrize("wing", ["torch", "tf"])
def test_a_stopped_rank_ends_all(wing, tmp_path):
    out = tmp_path / "run"
    processes = training(wing, 2, out, "--epochs", "200", "--rank-timeout", "10")
    wait_for_checkpoint(processes, out)
    processes[1].send_signal(signal.SIGSTOP)
    first = ended(processes[:1], BOUND)
    processes[1].kill()
    ended(processes[1:])
    require_one_line(first, "rank 1 does not answer in step")
    assert checkpoint.last_good(out) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "other"), [("torch", "tf"), ("tf", "torch")])
def test_a_signal_to_one_stops_all_after_the_same_step(wing, other, tmp_path):
    """What is left goes on in the other wing, on another number of ranks."""
    out = tmp_path / "run"
    processes = training(wing, 3, out, "--epochs", "200")
    wait_for_checkpoint(processes, out)
    processes[2].send_signal(signal.SIGTERM)
    found = ended(processes, BOUND)
    assert [code for code, _, _ in found] == [143] * 3
    require_one_line(found, "stopped after step", "--resume")
    saved = checkpoint.last_good(out)
    assert saved is not None
    epochs = str(saved.state["position"]["epoch"] + 1)
    resume = ["-m", f"ft_{other}.train", "--resume", str(out), "--epochs", epochs, "--quiet"]
    assert [code for code, _, _ in ended(start(other, 2, resume))] == [0, 0]


@pytest.mark.parametrize(
    ("each", "words"),
    [
        ([["--lr", "0.1"], ["--lr", "0.2"]], "lr 0.2 on rank 1, 0.1 on rank 0"),
        ([["--batch-size", "1"]] * 2, "batch_size 1: fewer samples than the 2 ranks"),
        ([["--lr", "0.1"], ["--lr", "much"]], "rank 1: lr: got 'much'"),
        ([["--device", "mps"]] * 2, "device: mps is for one process"),
    ],
)
def test_bad_input_is_said_once(each, words, tmp_path):
    found = ended(training("torch", 2, tmp_path / "run", each=each), BOUND)
    assert [code for code, _, _ in found] == [2, 2]
    require_one_line(found, words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("wing", "other", "words"), [("torch", "tf", "torchrun starts"), ("tf", "torch", "TF_CONFIG")])
def test_the_other_wings_processes_are_refused_once(wing, other, words, tmp_path):
    """Processes that were told their places as those of one wing are, and are of the other."""
    found = ended(start(wing, 2, ["-m", f"ft_{other}.train", *TINY, "--out", str(tmp_path / "run")]), BOUND)
    assert [code for code, _, _ in found] == [2, 2]
    require_one_line(found, words)


def test_a_place_that_is_no_json_is_told_once(tmp_path):
    """By one of them, though none knows which it is."""
    flags = [*TINY, "--out", str(tmp_path / "run")]
    found = ended(start("tf", 3, ["-m", "ft_tf.train", *flags], place={"TF_CONFIG": "{"}), BOUND)
    assert [code for code, _, _ in found] == [2, 2, 2]
    require_one_line(found, "TF_CONFIG: no JSON")


@pytest.mark.slow
def test_ranks_of_both_wings_do_not_meet(tmp_path):
    """One is told that it is rank 0 of torchrun's two, one that it is worker 1 of TensorFlow's two."""
    flags = [*TINY, "--out", str(tmp_path / "run"), "--rank-timeout", "10"]
    processes = [
        *start("torch", 2, ["-m", "ft_torch.train", *flags], only=0),
        *start("tf", 2, ["-m", "ft_tf.train", *flags], only=1),
    ]
    began = time.monotonic()
    found = ended(processes, BOUND)
    assert time.monotonic() - began < BOUND
    assert [code for code, _, _ in found] == [2, 2]
    require_one_line(found, "lost the other ranks")


@pytest.mark.slow
def test_who_does_not_come_is_not_waited_for_longer_than_asked(tmp_path):
    processes = training("torch", 2, tmp_path / "run", "--rank-timeout", "5")
    processes[1].kill()
    found = ended(processes, BOUND)
    assert found[0][0] == 2
    require_one_line(found, "rank 0: lost the other ranks")
