"""`ft launch`: what each process is told, and what is refused in one line before any of them starts."""

import json

import pytest

from ft.cli import dispatch as cli
from ft.system.cores import usable_cores
from tests.oracle import needs_torch

pytestmark = needs_torch  # the commands look for the framework that they name
NAMES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES", "WORLD_SIZE", "TF_CONFIG")


@pytest.fixture
def launch(here, monkeypatch, capsys):
    """Run `ft launch` without starting anything: exit code, stderr, and the command and environments that it has."""
    started = []
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ft.api.launch.run_together", lambda *given: started.append(given) or 0)

    def launch(*words):
        started.clear()
        monkeypatch.setattr("sys.argv", ["ft", "launch", *words])
        code = cli.main()
        return code, capsys.readouterr().err, *(started[0] if started else (None, None))

    return launch


def test_each_process_of_torch_has_a_place_as_torchrun_tells_it(launch):
    code, _, command, places = launch("--backend=torch", "--lr", "0.1", "--processes", "2", "--out", "two words")
    assert (code, command[-5:]) == (0, ["ft_torch.train", "--lr", "0.1", "--out", "two words"])
    assert [(place["RANK"], place["LOCAL_RANK"]) for place in places] == [("0", "0"), ("1", "1")]
    shared = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")
    for place in places:
        assert [place[name] for name in shared[:3]] == ["2", "2", "127.0.0.1"]
        assert place["MASTER_PORT"] == places[0]["MASTER_PORT"]
        assert place["OMP_NUM_THREADS"] == str(max(1, usable_cores() // 2))


def test_each_worker_of_tensorflow_has_a_port_of_its_own(launch):
    _, _, command, places = launch("--processes", "3", "--backend", "tf")
    assert command[-1] == "ft_tf.train"
    told = [json.loads(place["TF_CONFIG"]) for place in places]
    assert [each["task"] for each in told] == [{"type": "worker", "index": rank} for rank in range(3)]
    assert len({json.dumps(each["cluster"]) for each in told}) == 1
    assert len(set(told[0]["cluster"]["worker"])) == 3
    assert {place["TF_NUM_INTRAOP_THREADS"] for place in places} == {str(max(1, usable_cores() // 3))}


def test_threads_are_as_the_environment_says(launch, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert {place["OMP_NUM_THREADS"] for place in launch("--processes", "2")[3]} == {"5"}


def test_one_process_is_plain_training(here, fake_wing, write_images, capsys, monkeypatch):
    flags = ["--model", "resnet18", "--weights", "none", "--image-size", "16", "--epochs", "1", "--batch-size", "4"]
    monkeypatch.setattr("ft.api.launch.run_together", None)
    assert cli.dispatch(["launch", "--processes", "1", *flags, "--data", str(write_images()), "--out", "out"]) == 0
    assert (here / "out" / "model.safetensors").exists()


def test_a_run_goes_on_in_its_own_wing(train, launch, write_images):
    train("--data", write_images(), "--out", "out", backend="tf")
    assert launch("--processes", "2", "--resume", "out", "--epochs", "3")[2][-5:] == [
        *("ft_tf.train", "--resume", "out", "--epochs", "3")
    ]


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--processes", "0"], {}, "processes: got 0"),
        (["--processes", "100000"], {}, "it must be from 1 to"),
        (["--processes", "two"], {}, "invalid int value: 'two'"),
        ([], {}, "--processes"),
        (["--processes", "2", "--backend", "jax"], {}, "invalid choice: 'jax'"),
        (["--processes", "3", "--batch-size", "2"], {}, "more than the 2 samples of a batch"),
        (["--processes", "2", "--device", "cpu", "--device=cuda"], {}, "device: asked for twice"),
        (["--processes", "2", "--device", "mps"], {}, "mps is a single device"),
        (["--processes", "2"], {"CUDA_VISIBLE_DEVICES": "0,0"}, "names device 0 twice"),
        (["--processes", "2", "--device", "cuda"], {"CUDA_VISIBLE_DEVICES": "3"}, "names 1 devices"),
        (["--processes", "2"], {"TF_CONFIG": "{}"}, "TF_CONFIG says that this is one process of several already"),
        (["--processes", "2"], {"WORLD_SIZE": "2"}, "WORLD_SIZE says"),
        (["--processes", "2", "--resume", "nowhere"], {}, "nowhere holds no checkpoint"),
        (["--processes", "2", "--lr", "fast"], {}, "fast"),
        (["--processes", "2", "--proceses", "2"], {}, "did you mean '--processes'?"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(launch, monkeypatch, words, environment, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, err, command, _ = launch(*words)
    assert (code, command, len(err.splitlines())) == (2, None, 1), err
    assert err.startswith("error: ")
    assert said in err
