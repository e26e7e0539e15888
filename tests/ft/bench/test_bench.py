"""`ft bench` from its flags to its files, with tiny sizes; and that what fails is told."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from ft.bench import bench as bench_module
from ft.bench import runs
from ft.bench.photos import generate, lay_out
from ft.bench.process import run
from ft.bench.runs import Settings, plans
from ft.bench.start import write_start
from ft.cli import dispatch as cli
from ft.cli.bench import bench
from ft.data import open_dataset
from ft.errors import DataError, RecipeError, RunError

ROOT = Path(__file__).parents[3]
TINY = ["--model", "resnet18", "--images", "10", "--size", "32", "--epochs", "1", "--batch-size", "4"]
FAST = [*TINY, "--peak-side", "64", "--peak-seconds", "0", "--quiet"]


@pytest.mark.skipif(find_spec("torchvision") is None, reason="times PyTorch")
def test_a_tiny_benchmark(tmp_path, capsys, monkeypatch):
    """The textbook runs in its own process; what prepares it runs here, which saves the start of a framework."""
    from ft_peers.peak_torch import forward_flops

    def prepare(module, arguments, environment):
        if module == "ft.bench.start":
            write_start(*arguments[:2], Path(arguments[2]))
        peak = {"float32": 1e12, "bfloat16": 1e12, "forward_flops": forward_flops("resnet18", 32)}
        return runs.Finished(1.0, 1, json.dumps(peak))

    monkeypatch.setattr(bench_module, "run", prepare)
    assert bench([*FAST, "--repeat", "1", "--only", "textbook-torch", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("run ")
    report = json.loads((tmp_path / "out" / "bench.json").read_text())
    (row,) = report["runs"]
    assert (row["run"], row["ratio"], row["passes"], row["scaled"]) == ("textbook-torch", 1.0, 1, None)
    assert 0 <= row["top1"] <= 1
    assert row["memory"] > 1e8
    assert row["share_of_peak"] > 0
    assert report["settings"]["val_images"] == 5
    assert (tmp_path / "out" / "bench.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(None in map(find_spec, ("torchvision", "keras")), reason="times both frameworks")
def test_every_run_of_a_tiny_benchmark(tmp_path, capsys):
    code = bench([*FAST, "--repeat", "1", "--out", str(tmp_path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == int(not all(check["passed"] for check in report["checks"]))
    assert {row["run"] for row in report["runs"]} == set(plans()) - {"textbook-keras", "textbook-keras-whole"}
    large = ["--model", "resnet50", *FAST[2:], "--repeat", "1", "--out", str(tmp_path), "--json"]
    scaled = ["--augment", "crop-flip", "--peer-steps", "1"]
    assert bench([*large, *scaled, "--only", "textbook-torch,textbook-keras,textbook-keras-whole"]) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert {row["scaled"] for row in rows} == {"1 of 3 steps and 1 of 2 to validate"}


def test_runs_are_made_in_turn_and_find_nothing_of_each_other(tmp_path, capsys, monkeypatch):
    made, seconds = [], iter((5.0, 1.0, 2.0, 4.0, 9.0, 3.0))

    def measure(plan, settings, work):
        assert not (work / "caches").exists()
        (work / "caches" / plan.name).mkdir(parents=True)
        made.append(plan.name)
        return runs.Timing(plan, next(seconds), 10.0, 0.8, 1000, 1)

    monkeypatch.setattr(bench_module, "measure", measure)
    monkeypatch.setattr(bench_module, "run", lambda *_: runs.Finished(1.0, 1, "{}"))
    monkeypatch.setattr(bench_module, "choose", lambda *_: [plans()[name] for name in ("textbook-torch", "ft-torch")])
    bench([*FAST, "--out", str(tmp_path), "--json"])
    assert made == 3 * ["textbook-torch", "ft-torch"]
    report = json.loads(capsys.readouterr().out)
    assert [row["seconds"] for row in report["runs"]] == [5.0, 3.0]
    assert [row["spread"]["seconds"] for row in report["runs"]] == [[2.0, 9.0], [1.0, 4.0]]
    assert report["settings"]["repeat"] == 3


# ---- how a run is made, without one


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Put a process in place that only notes what it was asked for."""
    seen = []

    def pretend(module, arguments, environment):
        seen.append((module, list(arguments), dict(environment)))
        if module == "ft":
            out = tmp_path / "runs" / arguments[arguments.index("--out") + 1].rpartition("/")[2]
            out.mkdir(parents=True)
            row = {"epoch_end": True, "epoch": 1, "step": 1, "images_per_second": 7.0, "top1": 0.5}
            (out / "log.jsonl").write_text(json.dumps({"step": 1}) + "\n" + json.dumps(row) + "\n")
        report = {"epochs": [{"steps": 3, "images": 12, "seconds": 2.0}], "steps": 3, "top1": 0.5}
        return runs.Finished(9.0 - len(seen), 1000, json.dumps(report))

    monkeypatch.setattr(runs, "run", pretend)
    return seen


SETTINGS = Settings("resnet18", 32, 2, 4, 10, 0.01, 2)
LARGE = replace(SETTINGS, model="resnet50")


def test_a_run_that_keeps_features_is_made_twice_with_the_same_caches(calls, tmp_path):
    timing = runs.measure(plans()["ft-torch"], SETTINGS, tmp_path)
    assert (timing.seconds, timing.warm_seconds, timing.rate, timing.passes) == (8.0, 7.0, 7.0, 1)
    (_, cold, cold_caches), (_, warm, warm_caches) = calls
    assert cold_caches == warm_caches
    assert cold[cold.index("--cache") + 1] == "disk"
    assert {word for word in cold if word not in warm} == {str(tmp_path / "runs" / "ft-torch-cold")}
    assert not (tmp_path / "caches").exists()  # empty at the start


def test_no_two_runs_share_a_cache(calls, tmp_path):
    for plan in plans().values():
        runs.measure(plan, SETTINGS, tmp_path)
    places = [environment["FT_CACHE"] for _, arguments, environment in calls if "ft-torch-warm" not in str(arguments)]
    assert len(set(places)) == len(plans())


def test_peers_and_project_train_the_same(calls, tmp_path):
    for name in ("textbook-torch", "ft-tf-uncached", "ft-tf-whole", "reference-torch", "textbook-keras-whole"):
        runs.measure(plans()[name], SETTINGS, tmp_path)
    for module, arguments, _ in calls:
        given = dict(pairwise(arguments))
        assert (given["--epochs"], given["--batch-size"], given["--model"]) == ("2", "4", "resnet18")
        assert given.get("--weights") == (None if module.endswith("keras") else str(tmp_path / "start.safetensors"))
        assert given.get("--size", given.get("--image-size")) == "32"
    frozen = [dict(pairwise(a)).get("--freeze") for _, a, _ in calls]
    assert frozen == [None, "base", "none", None, None]
    assert "--lr" not in calls[3][1]  # the reference has its own
    assert ["--whole" in arguments for _, arguments, _ in calls] == [False, False, False, False, True]


def test_what_cannot_run_is_left_out_or_refused(monkeypatch):
    said = []
    monkeypatch.setattr(runs, "find_spec", lambda package: None if package == "tensorflow" else True)
    chosen = bench_module.choose((), LARGE, said.append)
    assert {plan.backend for plan in chosen} == {"torch"}
    assert "left out: ft-tf: tensorflow and keras not installed" in said
    with pytest.raises(RecipeError, match="only: ft-tf: tensorflow and keras not installed; leave it out"):
        bench_module.choose(["ft-tf"], LARGE, said.append)
    with pytest.raises(RecipeError, match="unknown run 'ft-toch'; did you mean 'ft-torch'"):
        bench_module.choose(["ft-toch"], LARGE, said.append)
    monkeypatch.setattr(runs, "find_spec", lambda package: None)
    with pytest.raises(RunError, match="nothing to run"):
        bench_module.choose((), LARGE, said.append)


def test_keras_lacks_small_networks():
    assert "keras.applications has no resnet18" in plans()["textbook-keras"].lacks(SETTINGS)


def test_augmented_images_reach_every_run_that_can_have_them(calls, tmp_path):
    augmented, said = replace(LARGE, augment="crop-flip"), []
    chosen = bench_module.choose((), augmented, said.append)
    assert not any(plan.cached for plan in chosen if plan.program is None)
    assert any(line.startswith("left out: ft-torch: augmented images are others in every epoch") for line in said)
    for plan in chosen:
        runs.measure(plan, augmented, tmp_path)
    given = {
        plan.name: dict(pairwise(arguments)).get("--augment")
        for plan, (_, arguments, _) in zip(chosen, calls, strict=True)
    }
    assert given.pop("reference-torch") is None  # crops and flips in any case
    assert set(given.values()) == {"crop-flip"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "vgg16"], "invalid choice: 'vgg16'"),
        (["--epochs", "0"], "epochs: got 0; it must be at least 1"),
        (["--peer-steps", "0"], "peer_steps: got 0"),
        (["--repeat", "0"], "repeat: got 0"),
        (["--nodel", "x"], "did you mean '--model'"),
    ],
)
def test_flags_that_cannot_be(flags, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ft", "bench", *flags])
    assert cli.main() == 2
    assert words in capsys.readouterr().err


# ---- a process


TIMED = """
from ft.bench.process import run
done = run("timeit", ["-n", "1", "-r", "1", "b'x' * 300_000_000"], {})
print(done.seconds > 0, done.memory, done.last_line)
"""


def test_a_process_is_timed_and_its_memory_told():
    """By a small one: Linux counts what there was before the exec, too."""
    done = subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, check=True, cwd=ROOT)
    timed, memory, last_line = done.stdout.split(" ", 2)
    assert (timed, last_line[:6]) == ("True", "1 loop")
    assert 300_000_000 < int(memory) < 600_000_000


def test_a_process_that_fails_is_told_with_its_last_word():
    with pytest.raises(RunError, match=r"python -m json.nothing ended with 1: .*No module named"):
        run("json.nothing", [], {})


# ---- the images


def test_generated_photos_are_what_ft_reads(tmp_path):
    assert generate(tmp_path, images=12) == (12, 5)
    dataset = open_dataset(str(tmp_path))
    assert (len(dataset.train), len(dataset.val), len(dataset.classes)) == (12, 5, 5)


def test_a_folder_is_copied_in_its_classes(tmp_path, write_images):
    data = write_images(count=10)
    assert lay_out(str(data), tmp_path / "work", images=6) == (6, 1)
    dataset = open_dataset(str(tmp_path / "work"))
    assert [sample.label for sample in dataset.train].count(0) == 3
    with pytest.raises(DataError, match="its images are no files"):
        lay_out("digits", tmp_path / "other", images=6)
