"""What a check of texts finds, and what the command makes of it."""

import json

import pytest

from ft.cli import dispatch as cli
from ft.data import Policy
from ft.data.check.check import check_data
from ft.data.sources.texts import labels_in_source
from ft.errors import DataError
from ft.report.data import render_html, render_text, to_dict

ROWS = ("good film,pos", "bad film,neg", ",pos", "good  Film,neg", "BAD film,neg", "fine Ã©,pos", "nul\0nul,neg")
FAULTY = "text,label,split\n" + "".join(f"{row},train\n" for row in ROWS) + "ok,pos,val\nhm,neg,val\n"


def by_kind(check):
    return {f.kind: (f.level, [name for name, _ in f.items] or len(f)) for f in check.findings}


def test_every_fault_is_found_once(write):
    check = check_data(write(FAULTY), policy=Policy())
    assert (check.status, len(check.looks), len(check.usable)) == ("errors", 9, 8)
    assert by_kind(check) == {
        "empty text": ("error", ["line 4"]),
        "conflict": ("warning", ["line 5"]),
        "copies": ("warning", ["line 6"]),
        "mangled": ("warning", ["line 7"]),
        "trait": ("note", 1),
    }
    assert [(c.label, c.images) for c in check.classes] == [("neg", 5), ("pos", 3)]
    text = render_text(check)
    assert "1 of 9 texts cannot be used, 3 warnings" in text.replace("\n", " ")
    assert "line 4  the text is empty" in text
    assert "characters  8 in the middle, from 2 to 10" in text
    assert "image" not in text.replace("--on-bad-image", "")
    page = render_html(check, max_pixels=1, workers=0)
    assert "same text as line 2, labelled pos; &#34;good  Film&#34;" in page
    told = to_dict(check)
    assert (told["texts"], told["usable"]) == (9, 8)


def test_leaks_are_errors_where_that_is_wanted(write):
    spec = write("text,label,split\na b,x,train\nc,y,train\nA  b,x,val\nd,y,val\nc,x,test\n")
    check = check_data(spec, policy=Policy())
    leaks = [(f.title, [n for n, _ in f.items]) for f in check.findings if f.kind == "leak"]
    assert leaks == [
        ("val texts that are train texts, so val accuracy flatters", ["line 4"]),
        ("test texts that are train or val texts", ["line 6"]),
    ]
    assert (check.status, check_data(spec, policy=Policy(fail_on_leak=True)).status) == ("warnings", "errors")


@pytest.mark.parametrize(
    ("name", "text", "labels", "fact", "classes"),
    [
        ("a.tsv", "text\tlabel\na\t1.5\nb\t2\nc\t-1\n", "numbers", "numbers from -1 to 2, 1.5 in the middle", []),
        ("b.tsv", "text\tlabel\na\t1\nb\t2\nc\t2\nd\t1\n", "either", None, [("1", 2), ("2", 2)]),
        (
            "c.csv",
            "text,label\na,x|y\nb,x\nc,x\n",
            "either",
            "multi-label, 1.33 a text",
            [("x", 3), ("y", 1)],
        ),
        ("n.csv", "text,label\na,é\nb,e\u0301\nc,o\nd,o\n", "either", None, [("o", 2), ("é", 2)]),
        ("a.txt", "a\nb\n" * 400, "none", "none: for a language model", []),
        ("d.csv", "text\na\nb\n", "none", "none: for a language model", []),
        ("b.txt", "a B-X\nb O\n\nc O\n\n", "tags", "a tag for each word", [("B-X", 1), ("I-X", 0), ("O", 2)]),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["X"]}\n{"tokens": ["b"], "tags": ["Y"]}\n', "tags", "a tag for", None),
    ],
)
def test_labels_of_every_kind(write, name, text, labels, fact, classes):
    spec = write(text, name)
    assert labels_in_source(spec) == labels
    check = check_data(spec, policy=Policy(), val_fraction=0.4)
    assert fact is None or fact in render_text(check)
    assert classes is None or [(c.label, c.images) for c in check.classes] == classes
    assert not [f for f in check.findings if f.kind in ("structure", "no label", "empty class")]


def test_class_folders(write):
    for name in ("train/neg/1.txt", "train/pos/1.txt", "train/pos/2.txt", "val/neg/1.txt", "train/1.txt"):
        spec = write(name, name).partition("/data/")[0] + "/data"
    write(b"\xff\xfe", "val/pos/2.txt")
    write("", "train/none/.keep")
    check = check_data(spec, policy=Policy())
    assert by_kind(check)["encoding"] == ("error", ["val/pos/2.txt"])
    assert by_kind(check)["beside"] == ("warning", ["train/1.txt"])
    assert by_kind(check)["empty class"] == ("warning", ["train/none"])
    assert next(f.title for f in check.findings if f.kind == "empty class") == "class folders without texts"


def test_what_training_would_stop_at_is_an_error(write):
    check = check_data(write("text,label\na,x\nb,x\n"), policy=Policy())
    assert by_kind(check)["structure"][0] == "error"
    assert check.findings[0].title == "all train texts are of one class, 'x'; training needs at least two classes"
    nothing = check_data(write("text,label\n ,x\n"), policy=Policy())
    assert {f.title for f in nothing.findings} >= {"no text can be used", "empty texts"}
    with pytest.raises(DataError, match=r"a\.csv line 2: byte 0xe9"):
        check_data(write("text,label\né,x\n".encode("latin-1")), policy=Policy())


def test_the_command(write, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["ft", "data", "check", write(FAULTY), "--json", "--quiet"])
    assert cli.main() == 2
    assert json.loads(capsys.readouterr().out)["status"] == "errors"
