"""What a check finds, what it leaves alone, and what the command makes of it."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from ft.cli import dispatch as cli
from ft.data import Policy
from ft.data.check.check import check_data
from ft.data.check.look import look_at
from ft.data.sources.listing import Entry
from ft.data.sources.scan import fault_of, in_threads
from ft.errors import DataError
from ft.report.data import render_html, render_text, to_dict
from ft.system.progress import counting


@pytest.fixture
def photos(write_tree, pixels, encode):
    """Write train/ and val/ of two classes, four and two good images each."""
    for k, label in enumerate(("cat", "dog")):
        for i in range(6):
            write_tree(
                f"{'train' if i < 4 else 'val'}/{label}/{i}.png", content=encode(pixels(40, 50, seed=10 * k + i))
            )
    return write_tree()


def levels(check):
    return {finding.kind: finding.level for finding in check.findings}


def test_a_clean_folder_has_nothing_to_say(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)  # a long path would break the line
    check = check_data("data", policy=Policy(short_side=256))
    assert (check.status, check.findings, len(check.usable)) == ("clean", (), 12)
    assert [(c.label, c.train, c.val) for c in check.classes] == [("cat", 4, 2), ("dog", 4, 2)]
    assert {(look.width, look.height) for look in check.looks} == {(50, 40)}
    assert all(look.size == look.entry.source.stat().st_size for look in check.looks)
    assert render_text(check).startswith("CLEAN: data: all 12 images can be used\n")


def test_a_test_split_is_named_and_leaks_into_it_are_told(photos, write_tree, pixels, encode, monkeypatch):
    monkeypatch.chdir(photos.parent)
    write_tree("test/cat/7.png", content=encode(pixels(seed=99)))
    check = check_data("data", policy=Policy(short_side=256))
    assert (check.status, [(c.label, c.train, c.val, c.test) for c in check.classes]) == (
        "clean",
        [("cat", 4, 2, 1), ("dog", 4, 2, 0)],
    )
    text = render_text(check)
    assert "8 train, 4 val, 1 test, evaluated once" in text
    assert [line.split()[:4] for line in text.splitlines() if line.strip().startswith("cat ")] == [
        ["cat", "4", "2", "1"]
    ]
    assert to_dict(check)["classes"][0] == {"label": "cat", "train": 4, "val": 2, "test": 1}
    assert ">test</th>" in render_html(check, max_pixels=10**6, workers=0)
    write_tree("test/dog/8.png", content=(photos / "val/dog/4.png").read_bytes())
    (leak,) = (f for f in check_data("data", policy=Policy(short_side=256)).findings if f.kind == "leak")
    assert (leak.title[:11], leak.items) == ("test images", (("test/dog/8.png", "same bytes as val/dog/4.png"),))


def test_copies_are_told_once_each_by_the_worst_of_what_they_are(photos):
    original = photos / "train/cat/0.png"
    for name in ("val/cat/leak.png", "val/dog/leak.png", "train/dog/wrong.png", "train/cat/copy.png"):
        (photos / name).write_bytes(original.read_bytes())
    by_kind = {f.kind: f for f in check_data(str(photos), policy=Policy()).findings}
    same = "same bytes as train/cat/0.png"
    assert by_kind["leak"].items == (("val/cat/leak.png", same), ("val/dog/leak.png", f"{same}, labelled cat"))
    assert by_kind["conflict"].items == (("train/dog/wrong.png", f"{same}, labelled cat"),)
    assert by_kind["copies"].items == (("train/cat/copy.png", same),)


def test_tiny_images_and_skewed_classes(photos, write_tree, encode, pixels):
    for i in range(40):
        write_tree(f"train/dog/more{i}.png", content=encode(pixels(40, 50, seed=100 + i)))
    write_tree("train/dog/tiny.png", content=encode(pixels(31, 99)))
    check = check_data(str(photos), policy=Policy())
    by_kind = {f.kind: f for f in check.findings}
    assert by_kind["tiny"].items == (("train/dog/tiny.png", "99x31 pixels"),)
    assert by_kind["skewed"].items == (("dog", "45 train images"), ("cat", "4 train images"))
    assert check.status == "warnings"


def test_nothing_usable_is_an_error_and_no_crash(write_tree):
    check = check_data(str(write_tree("cat/1.jpg", "dog/1.jpg")), policy=Policy())
    assert levels(check) == {"structure": "error", "wrong type": "error", "empty class": "warning"}
    assert render_html(check, max_pixels=100)
    assert "no image can be used" in render_text(check)
    with pytest.raises(DataError, match="does not exist"):
        check_data("nowhere", policy=Policy())


def test_the_built_in_set_can_be_checked():
    pytest.importorskip("sklearn")
    check = check_data("digits", policy=Policy(workers=0))
    assert (len(check.looks), levels(check)) == (1797, {"tiny": "warning"})


def test_threads_hold_only_a_few_at_once():
    alive, most = 0, 0

    def items():
        nonlocal alive, most
        for i in range(200):
            alive += 1
            most = max(most, alive)
            yield i

    for i, result in enumerate(in_threads(items(), lambda i: i * i, 2)):
        assert result == i * i
        alive -= 1
    assert most <= 2 * 4 + 2


def test_a_terminal_sees_a_bar_and_a_pipe_a_line():
    class Terminal:
        encoding, text = "utf-8", ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

        def isatty(self):
            return self.terminal

    for terminal in (True, False):
        stream = Terminal()
        stream.terminal = terminal
        with counting("checking", 3, stream=stream) as count:
            for _ in range(3):
                count(1)
        assert ("3/3" in stream.text) is terminal
        assert (stream.text == "checking 3 images\n") is not terminal


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_a_look_finds_what_training_would_stop_at(tmp_path, pixels, encode):
    rng, kinds = np.random.default_rng(3), set()
    entry, policy = Entry("", "cat", "x", tmp_path / "x"), Policy(max_pixels=100_000, short_side=64)
    for kind in ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"] * 30:
        broken = bytearray(encode(pixels(20, 30), kind))
        for place in rng.integers(len(broken), size=2):
            broken[place] ^= 1 << rng.integers(8)
        entry.source.write_bytes(broken)
        fault, look = fault_of(entry, 100_000, 64), look_at(entry, policy)
        assert (fault and fault.reason) == (look.fault and look.fault.reason)
        kinds.add(fault and fault.kind)
    assert kinds >= {None, "damaged", "truncated", "wrong type", "huge"}


# ---- reports


def test_a_page_is_one_file_with_its_pictures(photos, tmp_path):
    (photos / "train/cat/cut.png").write_bytes((photos / "train/cat/0.png").read_bytes()[:200])
    check = check_data(str(photos), policy=Policy())
    page = render_html(check, max_pixels=10_000)
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png;base64,") == 12  # six a class; the damaged one has none
    assert "train/cat/cut.png" in page


def test_json_lists_everything(photos):
    for i in range(8):
        (photos / f"train/cat/empty{i}.png").touch()
    check = check_data(str(photos), policy=Policy())
    data = json.loads(json.dumps(to_dict(check)))
    assert (data["status"], data["images"], data["usable"], data["findings"][0]["count"]) == ("errors", 20, 12, 8)
    assert len(data["findings"][0]["items"]) == 8
    assert "and 3 more" in render_text(check)


def test_colour_is_for_terminals(photos):
    check = check_data(str(photos), policy=Policy())
    assert "\x1b[" in render_text(check, color=True)
    assert "\x1b[" not in render_text(check)


# ---- the command


@pytest.fixture
def ft(monkeypatch, capsys):
    def ft(*arguments):
        monkeypatch.setattr(sys, "argv", ["ft", *map(str, arguments)])
        code = cli.main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ft


def test_exit_codes(ft, photos):
    code, out, err = ft("data", "check", photos)
    assert (code, out.split(":")[0], err) == (0, "CLEAN", "checking 12 images\n")
    (photos / "val/dog/copy.png").write_bytes((photos / "train/dog/0.png").read_bytes())
    code, out, _ = ft("data", "check", photos, "--quiet")
    assert (code, out.split(":")[0]) == (0, "WARNINGS")
    assert ft("data", "check", photos, "--fail-on-leak")[0] == 2
    assert ft("data", "check", photos, "--max-pixels", "1999")[:1] == (2,)


def test_page_and_json(ft, photos, tmp_path):
    code, out, err = ft("data", "check", photos, "--html", tmp_path / "page.html", "--json", "--quiet")
    assert (code, json.loads(out)["status"], err) == (0, "clean", "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    code, out, _ = ft("data", "check", photos, "--html", tmp_path / "page.html", "--quiet")
    assert out.endswith(f"page: {tmp_path / 'page.html'}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "nowhere"], "data 'nowhere' does not exist"),
        (["chek", "x"], "invalid choice: 'chek'"),
        (["check"], "the following arguments are required: DIR"),
        (["check", "x", "--workers", "-1"], "workers: got -1; it must be at least 0"),
        (["check", "x", "--max-pixel", "1"], "unknown flag '--max-pixel'; did you mean '--max-pixels'?"),
        (["check", "digits", "--html", "nowhere/x.html", "--quiet"], "there is no folder to write nowhere/x.html into"),
    ],
)
def test_mistakes_are_one_line(ft, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = ft("data", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_large_images_are_not_held(photos, monkeypatch):
    """What a look keeps is numbers, not pixels."""
    Image.fromarray(np.zeros((2000, 2000, 3), np.uint8)).save(photos / "train/cat/large.png")
    check = check_data(str(photos), policy=Policy())
    look = next(look for look in check.looks if look.name == "train/cat/large.png")
    assert not any(isinstance(value, (np.ndarray, Image.Image)) for value in vars(look).values())


@pytest.fixture
def masks(write_tree, pixels, encode):
    """Write six images of 40 x 50 with masks of three classes, of which four train, and a classes.txt of four."""
    for i in range(6):
        split, drawn = "train" if i < 4 else "val", np.arange(2000, dtype=np.uint8).reshape(40, 50) % 3
        write_tree(f"images/{split}/{i}.png", content=encode(pixels(40, 50, seed=i)))
        write_tree(f"masks/{split}/{i}.png", content=encode(drawn))
    return write_tree("classes.txt", content=b"sky\ncat\ndog\nunicorn\n")


def test_masks_are_read_and_every_class_has_a_share_of_the_pixels(masks, monkeypatch):
    monkeypatch.chdir(masks.parent)
    check = check_data("data", policy=Policy(short_side=256))
    assert {f.kind: (f.level, f.items) for f in check.findings} == {
        "empty class": ("warning", (("unicorn", "in no mask"),))
    }
    values = np.arange(2000, dtype=np.uint8) % 3
    assert [(c.label, c.train, c.val, c.pixels) for c in check.classes] == [
        *((name, 4, 2, float((values == k).mean())) for k, name in enumerate(("sky", "cat", "dog"))),
        ("unicorn", 0, 0, 0),
    ]
    row = next(line.split() for line in render_text(check).splitlines() if line.startswith(" sky"))
    assert row[:4] == ["sky", "4", "2", f"{(values == 0).mean():.2%}"]
    assert to_dict(check)["classes"][3] == {"label": "unicorn", "train": 0, "val": 0, "test": 0, "pixels": 0}
    assert ">pixels</th>" in render_html(check, max_pixels=10**6, workers=0)
    (masks / "classes.txt").write_text("sky\ncat\ndog\n")
    assert check_data("data", policy=Policy()).status == "clean"


def test_every_fault_of_a_mask_is_found_by_its_kind(masks, write_tree, encode, pixels):
    values = np.zeros((40, 50), np.uint8)
    (masks / "masks/train/0.png").rename(masks / "masks/train/lone.png")
    write_tree("masks/train/1.png", content=encode(np.zeros((50, 40), np.uint8)))
    write_tree("masks/train/2.png", content=encode(pixels(40, 50), "JPEG"))
    values[0, :7] = 9
    write_tree("masks/val/4.png", content=encode(values))
    write_tree("masks/val/5.png", content=encode(np.full((40, 50), 255, np.uint8)))
    write_tree("images/val/5.png", content=(masks / "images/train/3.png").read_bytes())
    write_tree("images/train/6.png", content=encode(pixels(40, 50, seed=6)))
    write_tree("masks/train/6.png", content=(masks / "masks/train/3.png").read_bytes()[:-40])
    check = check_data(str(masks), policy=Policy())
    items = {f.kind: f.items for f in check.findings}
    size = "40x50 pixels, its image images/train/1.png has 50x40"
    assert items["mask missing"] == (("images/train/0.png", "no mask"),)
    assert items["mask size"] == (("images/train/1.png", size),)
    assert items["mask file"] == (("images/train/2.png", "JPEG keeps no exact values"),)
    assert items["truncated"][0][1].startswith("its mask masks/train/6.png: cannot be decoded")
    told = "value 9 in 7 pixels, which is no class (0 to 3, 255 ignored)"
    assert items["mask value"] == (("images/val/4.png", told),)
    assert items["leak"] == (("images/val/5.png", "same bytes as images/train/3.png, labelled sky|cat|dog"),)
    assert (items["all ignored"], items["lone mask"]) == ((("images/val/5.png", ""),), (("masks/train/lone.png", ""),))
    assert (check.status, len(check.usable)) == ("errors", 2)
    assert {name for name, _ in items["no val"]} == {"sky", "cat", "dog"}
    assert cli.dispatch(["data", "check", str(masks), "--quiet"]) == 2
    (masks / "images/val/4.png").unlink()
    refusal = next(f for f in check_data(str(masks), policy=Policy()).findings if f.kind == "structure")
    assert refusal.title.startswith("no val mask has a pixel that counts")


def test_the_built_in_set_with_masks_is_clean():
    check = check_data("scenes", policy=Policy(workers=0))
    assert (len(check.looks), check.status, check.classes[0].label) == (200, "clean", "background")
