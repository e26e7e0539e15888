"""Early stopping and resuming: nothing happens in silence, and a run keeps what each of its sessions was."""

import json
import re

import pytest

import ft
from ft import recipe as recipes
from ft.report.training.sessions import frozen_words
from ft.runs import checkpoint, history
from ft.runs.folder import read_log, read_result
from ft.training.schedule import learning_rate

NET = {"model": "resnet18", "weights": "none", "image_size": 16, "batch_size": 4, "workers": 0}  # 3 steps an epoch


@pytest.fixture
def tune(fake_wing, write_images, tmp_path, capsys):
    """Fine-tune on 12 images of two classes, or go on; return the run and the lines that a person reads."""
    data, out = str(write_images()), tmp_path / "run"

    def tune(**fields):
        capsys.readouterr()
        start = {"resume": out} if out.exists() else {**NET, "data": data, "out": out}
        return ft.finetune(**start, **fields), capsys.readouterr().err.splitlines()

    return tune


def test_early_stopping_is_said_and_a_resume_of_it_never_does_nothing_in_silence(tune, tmp_path):
    run, lines = tune(epochs=9, patience=2, lr=1e-9)  # no epoch is better than the first
    said = re.fullmatch(
        r"stopped early, after epoch 3 of 9: no better accuracy than ([\d.]+ %) after epoch 1 "
        r"in 2 epochs \(patience 2\)",
        lines[-1],
    )
    assert said[1] == f"{100 * read_log(run.folder)[3]['top1']:.1f} %"
    with pytest.raises(ft.RunError) as caught:
        tune(epochs=12)
    assert str(caught.value) == (
        f"{run.folder} {lines[-1].replace('of 9', 'of 12')}; raise --patience, say to 7, to train it further, "
        f"or use it with ft evaluate {run.folder}"
    )
    (tmp_path / "run/model.json").unlink()  # as if it was killed before it wrote the result
    assert tune()[1][-2:] == [lines[-1], "no step is left to train, only the result is written"]
    run, lines = tune(patience=3)
    assert "changed: patience 2 to 3" in lines
    assert [row["epoch"] for row in read_log(run.folder) if row.get("epoch_end")] == [1, 2, 3, 4]


def test_other_weights_of_a_finished_run_need_no_training(tune):
    tune(epochs=3, lr=1e-9)
    run, lines = tune(result="best")
    assert "no step is left to train, only the result is written" in lines
    assert read_result(run.folder)["epoch"] == 1
    with pytest.raises(ft.RunError, match="is finished, 3 of 3 epochs; raise --epochs"):
        tune(result="best")
    with pytest.raises(ft.RunError, match="is finished"):
        tune(result="average")  # of epochs whose weights are gone


def test_a_result_of_fewer_epochs_is_no_end(tune, tmp_path):
    """The run went on, and was killed before it wrote the result of the epochs that were new."""
    tune(epochs=1)
    old = (tmp_path / "run/model.json").read_bytes()
    tune(epochs=2)
    (tmp_path / "run/model.json").write_bytes(old)
    run, lines = tune()
    assert "no step is left to train, only the result is written" in lines
    assert read_result(run.folder)["epoch"] == 2


def test_what_a_resume_changes_is_said_in_one_line(tune):
    tune(epochs=2, lr=0.1, schedule="cosine", backend="torch")
    rates = {"base": 0.1, "schedule": "cosine", "steps_per_epoch": 3, "step_epochs": 1, "step_factor": 1.0}
    last, jump = (learning_rate(s, epochs=n, warmup_epochs=0, **rates) for s, n in ((5, 2), (6, 4)))
    run, lines = tune(epochs=4, backend="tf", label_smoothing=0.1)
    assert [line for line in lines if line.startswith("changed")] == [
        "changed: backend torch to tf, epochs 2 to 4, label_smoothing 0.0 to 0.1; the next step has the rate "
        f"{jump:.4g}, the last step had {last:.4g} (schedule cosine now takes 4 epochs); the training loss is another "
        "measure from here on"
    ]
    rows = [row["lr"] for row in read_log(run.folder) if "lr" in row]
    assert rows[5:7] == pytest.approx([last, jump])


def test_a_rate_that_stays_is_no_news(tune):
    tune(epochs=1)
    assert "changed: epochs 1 to 2" in tune(epochs=2)[1]


def test_a_run_keeps_its_history_and_the_report_shows_it(tune, monkeypatch):
    monkeypatch.setattr("sys.orig_argv", ["/usr/bin/python", "/opt/bin/ft", "train", "--data", "my pets"])
    tune(epochs=2, backend="torch", unfreeze="2:layer4")
    run, _ = tune(epochs=3, lr=0.5, backend="tf")
    first, second = read_result(run.folder)["history"]
    assert checkpoint.load(checkpoint.pointed(run.folder, "last")).state["history"] == [first, second]
    assert (first["step"], first["epoch"], first["backend"]) == (0, 0, "torch")
    assert (second["step"], second["epoch"], second["backend"]) == (6, 2, "tf")
    assert (first["recipe"]["epochs"], second["recipe"]) == (2, {"epochs": 3, "lr": 0.5})
    assert first["command"] == "ft train --data 'my pets'"
    assert first["versions"].keys() >= {"ft-parity", "numpy"}
    assert first["machine"].endswith("cpu")
    page = (run.folder / "report.html").read_text()
    header = page[page.index("<header") : page.index("</header>")]
    for words in (
        "resnet18, begun in PyTorch, went on in Keras, weights none, frozen: base; unfrozen: layer4 from epoch 2;",
        "From epoch 3 on in Keras: epochs 2 to 3, lr 0.001 to 0.5<",
        "ft train --data &#39;my pets&#39;",
        "<summary>2 sessions</summary>",
    ):
        assert words in header
    thawing = recipes.to_dict(ft.Recipe(unfreeze="2:layer4,4:all"))
    assert [frozen_words(thawing, n) for n in (1, 4)] == [
        "frozen: base",
        "frozen: base; unfrozen: layer4 from epoch 2, all from epoch 4",
    ]


def test_a_run_of_before_there_was_a_history(tune, tmp_path):
    run, _ = tune(epochs=1, backend="torch")
    last = checkpoint.pointed(run.folder, "last") / "state.json"
    for path in (last, run.folder / "model.json"):
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "history"}))
    page = ft.Run(run.folder).write_report().read_text()
    assert "resnet18 in PyTorch, weights none, frozen: base;" in page
    assert "<summary>command and machine</summary>" not in page
    run, _ = tune(epochs=2, backend="tf")
    assert [session["backend"] for session in run.result["history"]] == ["torch", "tf"]
    assert "begun in PyTorch, went on in Keras" in (run.folder / "report.html").read_text()


def test_a_history_of_very_many_sessions_is_bounded():
    sessions = [{"step": i} for i in range(history.MOST)]
    kept = history.joined(sessions, {"step": -1})
    assert [len(kept), kept[0]["step"], kept[1]["step"], kept[-1]["step"]] == [history.MOST, 0, 2, -1]
