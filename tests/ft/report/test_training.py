"""The report of a run: one file, whatever the names and the number of classes, and again without the images."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ft
from ft import recipe as recipes
from ft.data import Sample
from ft.recipe import Recipe
from ft.report import template
from ft.report.training.charts import confusion_cells
from ft.report.training.page import kept_thumbnails, write_training_report
from ft.runs import folder as runfolder
from ft.runs.predictions import read_predictions, write_predictions

EVIL = "<script>alert(1)</script>", 'a" onload="alert(1)', "\u202egnp.exe", "b&b"


class Page(HTMLParser):
    """The tags, the text, and what the page refers to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.handlers, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture
def write(tmp_path):
    """Write the report of a run with these classes and return the page."""

    def write(classes, count=200, *, samples=True, train_top1=False, **fields):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, len(classes), count)
        predicted = np.where(rng.random(count) < 0.7, labels, rng.integers(0, len(classes), count))
        names = [f"val/{classes[k]}/{i}.jpg" for i, k in enumerate(labels)]
        write_predictions(tmp_path, names, labels, predicted, rng.beta(5, 1, count), classes)
        with runfolder.Log(tmp_path) as log:
            for epoch in (1, 2, 3):
                log.write({"step": epoch, "epoch": epoch, "loss": 1 / epoch, "lr": 0.1})
                row = {"epoch_end": True, "epoch": epoch, "step": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch}
                row |= {"train_top1": 0.2 * epoch} if train_top1 else {}
                log.write({**row, "top1": 0.5, "ema_loss": 1.1 / epoch, "ema_top1": 0.6})
        result = {
            "architecture": "resnet18",
            "backend": "tf",
            "recipe": recipes.to_dict(Recipe(**fields)),
            "classes": list(classes),
            "data": {"train": 800, "val": count},
            "metrics": {"top1": 0.7, "top5": None, "loss": 0.5, "macro_f1": 0.7, "ece": 0.1},
            "train_metrics": {"top1": 0.9, "loss": 0.2, "images": 200},
            "versions": {"ft-parity": "0"},
            "seconds": 12.0,
        }
        images = [Sample(name, 0, np.full((9, 7, 3), i % 256, np.uint8)) for i, name in enumerate(names)]
        return write_training_report(tmp_path, result, images if samples else None).read_text()

    return write


@pytest.mark.parametrize("count", [2, 25, 26, 300])
def test_any_number_of_classes(write, count, tmp_path):
    page = Page(write([f"class {i}" for i in range(count)]))
    assert {"script", "link", "iframe"} & set(page.tags) == set()
    assert all(source.startswith("data:image/") for source in page.sources)
    assert len(page.sources) == 12 + (count > 25)
    with Image.open(tmp_path / "confusion.png") as image:
        assert min(image.size) > 200


def test_names_are_escaped(write):
    text = write(EVIL)
    page = Page(text)
    assert "script" not in page.tags
    assert page.handlers == []
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_page_says_what_was_measured(write):
    text = write(["cat", "dog"], mixup=0.2, l2=0.01, ema=0.9, label_smoothing=0.1)
    for words in (
        "70.0 %",
        "against mixed targets",
        "with label smoothing",
        "with the penalty on the weights",
        "Keras",
    ):
        assert words in text
    assert 'class="ema"' in text
    assert "a gap of 20.0 points" in text


def test_shares_and_counts_of_the_confusions(write):
    """Two classes of another size, and a share that rounds to all is not said to be all."""
    counts = np.array([[299, 1], [3, 9]])
    cells = [(cell.percent, cell.count) for cell in confusion_cells(counts)]
    assert cells == [(">99", 299), ("<1", 1), ("25", 3), ("75", 9)]
    text = write(["cat", "dog"])
    assert text.count('class="percent"') == text.count('class="count"') == 4


def test_what_differs_from_the_defaults_comes_first(write):
    text = write(["cat", "dog"], lr=0.02, freeze="stem,layer1")
    rows = re.findall(
        r"<th scope=.row.>(\w+)</th><td class=.name changed.>(.*?)</td><td class=.name soft.>(.*?)</td>", text
    )
    assert rows == [("freeze", "stem, layer1", "base"), ("lr", "0.02", "0.001")]


@pytest.mark.parametrize("measured", [True, False])
def test_training_accuracy_is_drawn_where_it_was_measured(write, measured):
    text = write(["cat", "dog"], train_top1=measured)
    assert ("training accuracy: 20 at epoch 1, 60 at epoch 3" in text) == measured
    assert ("and the training accuracy" in text) == measured


@pytest.mark.parametrize("name", [path.name for path in Path(template.__file__).parent.glob("*.html.j2")])
def test_who_sees_no_picture_is_told_and_every_heading_says_of_what(name):
    text = (Path(template.__file__).parent / name).read_text()
    for tag, needed in (("th", r' scope="(row|col)"'), ("img", r'[^>]* alt="[^"]'), ("svg", r'[^>]* aria-label="[^"]')):
        bare = [
            place.group()
            for place in re.finditer(rf"<{tag}\b.{{0,40}}", text)
            if not re.match(rf"<{tag}{needed}", text[place.start() :])
        ]
        assert bare == []


def test_the_most_confident_mistakes_come_first(write, tmp_path):
    text = write(["cat", "dog"])
    wrong = [p for p in read_predictions(tmp_path) if p.label != p.predicted]
    best = sorted((p.probability for p in wrong), reverse=True)[:12]
    shown = [float(x) for x in re.findall(r"<b>\w+</b> ([\d.]+) %", text)]
    assert shown == [pytest.approx(100 * p, abs=0.051) for p in best]


def test_without_the_images(write):
    text = write(["cat", "dog"], samples=False)
    assert "no longer where they were" in text
    assert Page(text).sources == []


def test_thumbnails_of_a_page_of_before_are_kept(tmp_path):
    end = '<b>dog</b> 9 %<small>is cat</small><small class="name">{}</small></li>\n'
    lines = '<li><img src="data:image/png;base64,AA==" alt="">' + end, '<li><span class="gone">no image</span>' + end
    (tmp_path / "old.html").write_text(lines[0].format("a&amp;b") + lines[1].format("c"))
    assert kept_thumbnails(tmp_path / "old.html") == {"a&b": "data:image/png;base64,AA=="}


def test_a_run_and_its_report_written_again(fake_wing, write_images, tmp_path):
    data = write_images()
    run = ft.finetune(
        model="resnet18", weights="none", data=str(data), image_size=16, epochs=2, out=tmp_path / "run", quiet=True
    )
    assert {"macro_f1", "ece"} <= set(run.metrics)
    assert run.result["train_metrics"]["images"] == 12
    assert set(run.evaluate()) == set(run.metrics)
    first = (tmp_path / "run/report.html").read_bytes()
    (tmp_path / "run/report.html").unlink()
    assert ft.Run(tmp_path / "run").write_report() == tmp_path / "run/report.html"
    assert (tmp_path / "run/report.html").read_bytes() == first
    data.rename(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match=r"^nothing new to show, for data .* does not exist"):
        assert ft.Run(tmp_path / "run").write_report().read_bytes() == first
    (tmp_path / "run/report.html").unlink()
    assert ft.Run(tmp_path / "run").write_report(str(tmp_path / "elsewhere")).read_bytes() == first
    (tmp_path / "run/report.html").unlink()
    with pytest.warns(UserWarning, match="nothing new to show"):
        assert "data:image/png" not in ft.Run(tmp_path / "run").write_report().read_text()


def test_a_run_says_what_it_is(fake_wing, write_images, tmp_path):
    data, folder = write_images("a<b>\n", ["<img src=x onerror=alert(1)>", EVIL[1]]), tmp_path / 'r"><i onload=x>\u202e'
    options = {"model": "resnet18", "weights": "none", "image_size": 16, "epochs": 2, "quiet": True}
    run = ft.finetune(data=str(data), out=folder, **options)
    top1 = f"{100 * run.metrics['top1']:.1f} %"
    there, here = (str(path).encode("unicode_escape").decode() for path in (data, folder))
    assert repr(run) == f"<Run resnet18 on {there}, PyTorch, epochs: 2, top-1: {top1}, {here}>"
    text = run._repr_html_()
    page = Page(text)
    assert set(page.tags) == {"table", "tr", "th", "td", "img"}
    assert page.handlers == []
    assert [source[:22] for source in page.sources] == ["data:image/png;base64,"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert f">{top1}<" in text
    assert "\u202e" not in text
    folder.rename(tmp_path / "elsewhere")
    assert Page(run._repr_html_()).sources == []


def test_a_run_without_a_finite_score_says_so(tmp_path):
    result = {"task": "multi-label", "backend": "tf", "epoch": 1, "architecture": "resnet18", "classes": ["cat"]}
    result |= {"format": 1, "recipe": recipes.to_dict(Recipe(epochs=3)), "metrics": {"mAP": None, "loss": None}}
    preprocess = {"resize": 8, "crop": 8, "interpolation": "bilinear", "mean": [0.5], "std": [0.5]}
    result |= {"preprocess": preprocess, "data": {"train": 2, "val": 2, "sha256": "0"}}
    (tmp_path / "model.json").write_text(json.dumps(result))
    assert "Keras, epochs: 1 of 3, mAP: not finite," in repr(ft.Run(tmp_path))
    assert "mAP" not in ft.Run(tmp_path)._repr_html_()


def test_predictions_of_classes_that_the_run_lacks(write, tmp_path):
    write(["cat", "dog"])
    result = json.loads(json.dumps({"classes": ["cat"]}))
    with pytest.raises(ft.RunError, match=r"predictions\.csv: class 'dog' is not among the run's classes"):
        write_training_report(tmp_path, result, None)
