"""Tables of texts as users have them: which columns, what labels become, and what is refused with its line."""

import csv
import json

import pytest

from ft.data import Policy
from ft.data.sources.text import Text
from ft.data.sources.texts import holds_texts, open_text_samples, open_texts
from ft.errors import DataError

ROWS = [("good film", "pos"), ("bad film", "neg"), ("fine", "pos"), ("awful", "neg")]
CSV = "".join(f"{text},{label}\n" for text, label in ROWS)


def refuse(spec, *words, read=open_texts, **options):
    """Assert that no texts can be opened, with one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        read(spec, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\ufeffReview , Target\r\n" + CSV.replace("\n", "\r\n")),
        ("a.CSV", "id,label,sentence\n" + "".join(f"7,{label},{text}\n" for text, label in ROWS)),
        ("a.tsv", "sentence1\tclass\n" + CSV.replace(",", "\t")),
        ("a.jsonl", "\n" + "".join(json.dumps({"Content": t, "category": k}) + "\n" for t, k in ROWS)),
    ],
)
def test_columns_by_other_names(write, name, text):
    spec = write(text, name)
    assert holds_texts(spec)
    data = open_texts(spec, val_fraction=0.5)
    assert (data.classes, data.texts, data.multilabel, data.notes) == (("neg", "pos"), True, False, ())
    samples = sorted((*data.train, *data.val), key=lambda s: s.name)
    assert [(s.name, s.source, data.classes[s.label]) for s in samples] == [
        (f"line {i}", Text(text), label) for i, (text, label) in enumerate(ROWS, 2)
    ]


def test_what_a_cell_may_hold(write):
    quoted = 'He said: "a, b"\nand left'
    odd = [quoted, "nul\0nul", "x" * 300_000, "عربى 👩\u200d👩\u200d👦", "'quoted'", "don't"]
    table = 'text,label\n"He said: ""a, b""\nand left",a\n' + "".join(f"{text},b\n" for text in odd[1:])
    data = open_text_samples(write(table))
    assert [s.source.text for s in data.val] == odd
    assert [s.name for s in data.val][:2] == ["line 3", "line 4"]
    assert csv.field_size_limit() == 131_072, "another reader's limit is its own"
    tsv = open_text_samples(write('text\tlabel\n"a\tx\nb" c\ty\n', "q.tsv"))
    assert [s.source.text for s in tsv.val] == ['"a', 'b" c'], "quotes are characters"


def test_pairs_and_splits(write):
    rows = "a,b,x,train\nc,d,y,Training\ne,f,x,dev\n"
    spec = write("premise,hypothesis,label,split\n" + rows)
    refuse(spec, "a.csv line 4: split 'dev'; expected train, val or test")
    data = open_texts(write("premise,hypothesis,label,split\n" + rows.replace("dev", "validation") + "g,h,,test\n"))
    assert [s.source for s in data.train] == [Text("a", "b"), Text("c", "d")]
    assert ([s.name for s in data.val], data.test) == (["line 4"], ())
    assert data.notes == ("test texts without labels, left for ft predict: 1 (line 5)",)


def test_labels_of_every_kind(write):
    several = write("text,label\na b,x|y\nc,y\nd,\ne,x\n")
    refuse(several, "a.csv line 2: several labels, 'x|y'", "--loss bce")
    data = open_text_samples(several, labels="either")
    assert (data.multilabel, [s.label for s in data.val]) == (True, [(0, 1), (1,), (), (0,)])
    lines = [{"text": "a", "label": ["y", "x"]}, {"text": "b", "label": []}, {"text": "c", "label": ["x"]}]
    data = open_text_samples(write("".join(json.dumps(each) + "\n" for each in lines), "s.jsonl"), labels="sets")
    assert [s.label for s in data.val] == [(0, 1), (), (0,)]
    numbers = [{"text": "a", "label": 1}, {"text": "b", "label": 0.5}, {"text": "c", "label": "-2e1"}]
    spec = write("".join(json.dumps(each) + "\n" for each in numbers), "n.jsonl")
    data = open_texts(spec, labels="numbers", val_fraction=0.3)
    assert sorted(s.label for s in (*data.train, *data.val)) == [-20.0, 0.5, 1.0]
    assert (data.classes, {type(s.label) for s in data.train}, data.train[0].labels) == (("value",), {float}, ())
    assert open_text_samples(spec).classes == ("-2e1", "0.5", "1"), "else they are names, like any other"
    refuse(write("text,label\na,1\nb,nan\n"), "a.csv line 3: label 'nan'; expected a number", labels="numbers")
    alone = open_texts(write("text\na\nb\nc\n"), labels="none")
    assert ({s.label for s in (*alone.train, *alone.val)}, alone.classes) == ({None}, ())


def test_the_split_follows_from_names_seed_and_classes(write):
    table = "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(20))
    data = open_texts(write(table), val_fraction=0.3, seed=5)
    assert [sum(s.label == k for s in data.val) for k in (0, 1)] == [3, 3]
    assert open_texts(write(table), val_fraction=0.3, seed=5) == data
    assert open_texts(write(table), val_fraction=0.3, seed=6) != data
    lines = [int(s.name.removeprefix("line ")) for s in data.train]
    assert lines == sorted(lines), "the order of the file"
    assert [s.label for s in open_text_samples(write(table), ("b", "a")).val][:2] == [1, 0]
    refuse(write(table), "unknown class 'b'", "the model's classes decide", classes=("a", "c"))


def test_leaks_are_found_by_what_a_text_says(write):
    table = "text,label,split\nOne Two,x,train\nthree,y,train\none  two,x,val\nfour,y,val\nthree,y,test\n"
    data = open_texts(write(table))
    assert data.notes == (
        "val texts that are train texts, too, so val accuracy flatters: 1 (line 4)",
        "test texts that are train or val texts, too, so test accuracy flatters: 1 (line 6)",
    )
    refuse(write(table), "val texts that are train", "--no-fail-on-leak", policy=Policy(fail_on_leak=True))
    pair = "text,pair,label,split\na,b,1,train\nc,d,2,train\na,c,1,val\nb,a,2,val\n"
    assert open_texts(write(pair)).notes == (), "a pair is the same where both are"
    assert "1 (line 4)" in open_texts(write(table), labels="none").notes[0]


def test_bad_texts_stop_a_training_or_are_left_out_before_splits(write):
    table = "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(20))
    spec = write(table.replace("text 7,", "  ,").replace("text 12,", ","))
    refuse(spec, "a.csv line 9: the text is empty", "--on-bad-image skip (and 1 more; ft data check lists them)")
    skip = Policy(on_bad_image="skip", max_bad_fraction=0.1)
    data = open_texts(spec, policy=skip)
    assert data.skipped == ("line 9", "line 14")
    assert data.notes[0] == (
        "skipped, texts that cannot be used: 2 of 20 (line 9: the text is empty, line 14: the text is empty)"
    )
    assert {s.name for s in (*data.train, *data.val)} == {f"line {n}" for n in range(2, 22)} - {"line 9", "line 14"}
    refuse(spec, "2 of 20 texts cannot be used", "max_bad_fraction", policy=Policy(on_bad_image="skip"))
    half = write('{"text": "\\ud83d", "label": 1}\n{"text": "a", "label": 2}\n', "half.jsonl")
    refuse(half, "half.jsonl line 1: \\ud83d at 0 of the text is no character")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "text,label\na,x\nb\xe9,y\n".encode("latin-1"), ["a.csv line 3: byte 0xe9, where UTF-8", "as UTF-8"]),
        ("b.csv", b"\xef\xbb\xbftext,label\n" + b"a,x\n" * 5000 + b"\xff,x\n", ["b.csv line 5002: byte 0xff"]),
        ("a.tsv", "text\tlabel\n".encode("utf-16"), ["a.tsv line 1: UTF-16, where UTF-8 was expected"]),
        ("a.csv", "text,label\na,b,c\n", ["a.csv line 2: 3 columns, the header has 2", "quote"]),
        ("a.csv", "text,words\na,b\n", ["a.csv line 1: the columns are 'text,words'; expected text, label"]),
        ("a.csv", "text,text,label\na,b,c\n", ["a.csv line 1: two columns 'text'"]),
        ("a.csv", "text,label\na,x\nb,\n", ["a.csv line 3: blank label"]),
        ("a.csv", "text,label\n", ["no texts"]),
        ("a.csv", "text,label\na,x\nb,x\nc,x\n", ["all train texts are of one class, 'x'"]),
        ("a.csv", "text,label,split\na,x,val\nb,y,val\n", ["val texts but no train texts", "put the texts to learn"]),
        ("a.csv", 'text,label\na,x\n"b,y\n', ["a.csv after line 2: not CSV"]),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b",\n', ["a.jsonl line 2: no JSON"]),
        ("a.jsonl", "[1]\n", ["a.jsonl line 1: list in JSON; expected an object a line"]),
        ("a.jsonl", "[" * 100_000 + "\n", ["a.jsonl line 1: no JSON (nested too deeply"]),
        ("a.jsonl", '{"text": 7, "label": "x"}\n', ["a.jsonl line 1: text is 7; expected text"]),
        ("a.jsonl", '{"text": "a", "label": {"b": 1}}\n', ["a.jsonl line 1: label is an object"]),
        ("a.jsonl", '{"text": "a", "label": ["b|c"]}\n', ["a.jsonl line 1: label 'b|c' in a list"]),
        ("a.jsonl", "", ["expected text, label"]),
    ],
)
def test_refused_in_one_line(write, name, text, words):
    refuse(write(text, name), *words)


def test_what_is_no_table_of_texts(write, tmp_path):
    for name, text in (
        ("a.csv", "path,label,text\nx.png,a,b\n"),
        ("b.csv", "image,mask\n"),
        ("c.csv", b"\xff\xfe,\xff\n"),
    ):
        assert not holds_texts(write(text, name)), name
    assert not holds_texts(str(tmp_path / "none.tsv"))
    refuse(str(tmp_path / "none.tsv"), "none.tsv' does not exist; pass reuters, a CSV")
    refuse(write("path,label\nx.png,a\n"), "a.csv line 1: the columns are 'path,label'; expected text, label")
    refuse(write("", "a.json"), "a.json' holds no texts by its ending; pass reuters")
