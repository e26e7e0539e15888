"""Folders and files of texts: class folders, sentences with tags, plain text for a language model."""

from pathlib import Path

import pytest

from ft.data import Policy
from ft.data.sources.texts import holds_texts, open_text_samples, open_texts
from ft.data.sources.texts.labels import as_iob2
from ft.data.sources.texts.plain import blocks_of
from ft.errors import DataError

REVIEWS = {
    f"{split}/{label}/{i}.txt": f"{split} {label} {i}\n"
    for split in ("train", "val")
    for label in ("neg", "pos")
    for i in (1, 2)
}
CONLL = (
    "-DOCSTART- -X- -X- O\n\n# id 1 domain=en\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n"
    "Peter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER\n# SYM B-NP O\n\n\n"
)


def folder_of(files, write):
    """Write files and return their folder."""
    for name, text in files.items():
        write(text, name)
    return str(Path(write("", ".hidden")).parent)


def refuse(spec, *words, **options):
    """Assert that no texts can be opened, with one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        open_texts(spec, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_class_folders(write):
    spec = folder_of(REVIEWS | {"train/notes.md": "x", "train/neg/deep/er.txt": "\ufeff deep\n"}, write)
    data = open_texts(spec)
    assert (data.name, data.classes, data.texts) == ("data", ("neg", "pos"), True)
    assert [(s.name, s.label, s.source.text) for s in data.train] == [
        ("train/neg/1.txt", 0, "train neg 1"),
        ("train/neg/2.txt", 0, "train neg 2"),
        ("train/neg/deep/er.txt", 0, "deep"),
        ("train/pos/1.txt", 1, "train pos 1"),
        ("train/pos/2.txt", 1, "train pos 2"),
    ]
    assert data.notes == ("ignored, no text by its extension: 1 (train/notes.md)",)
    assert open_text_samples(spec).val == data.val
    write("", "val/pos/3.txt")
    write(b"caf\xe9", "val/neg/4.txt")
    refuse(spec, "val/neg/4.txt line 1: byte 0xe9, where UTF-8 was expected", "(and 1 more; ft data check")
    skipped = open_texts(spec, policy=Policy(on_bad_image="skip", max_bad_fraction=0.5))
    assert (skipped.skipped, skipped.val) == (("val/neg/4.txt", "val/pos/3.txt"), data.val)


def test_which_folders_hold_texts(write, tmp_path):
    assert not holds_texts(folder_of({}, write)), "an empty one"
    spec = folder_of({"runs/1/recipe.yaml": "", "runs/1/log.jsonl": "", "runs/1/confusion.png": ""}, write)
    assert not holds_texts(spec)
    write("a", "neg/1.txt")
    assert holds_texts(spec), "pictures of a run are none of the data"
    write("", "neg/2.JPG")
    assert not holds_texts(spec), "images have files of text beside them"
    tables = Path(write("path,label\n", "tables/train.csv")).parent
    assert not holds_texts(str(tables))
    write("text,label\n", "tables/train.csv")
    write("text,label\n", "tables/train-2.csv")
    assert holds_texts(str(tables))
    for name in ("a.txt", "a.conll", "a.iob2"):
        assert holds_texts(write("", name))


def test_a_table_for_each_split(write):
    rows = "text,label\na,x\nb,y\n"
    spec = folder_of({"train.csv": rows, "news-dev.tsv": "text\tlabel\nc\tx\nd\ty\n", "README.txt": "x"}, write)
    data = open_texts(spec)
    assert [s.name for s in (*data.train, *data.val)] == [
        "train.csv line 2",
        "train.csv line 3",
        "news-dev.tsv line 2",
        "news-dev.tsv line 3",
    ]
    write(rows, "valid.csv")
    refuse(spec, "two files of val, news-dev.tsv and valid.csv; keep one")


def test_sentences_with_tags(write):
    spec = folder_of({"eng.train": CONLL, "eng.testa": CONLL.replace("EU", "UN"), "eng.testb": CONLL}, write)
    data = open_texts(spec, labels="tags")
    assert data.classes == ("B-ORG", "B-PER", "I-ORG", "I-PER", "O"), "I-ORG may yet be asked for"
    assert [(s.name, s.label, s.source.text) for s in data.train] == [
        ("eng.train line 4", (0, 4), ("EU", "rejects")),
        ("eng.train line 7", (1, 3, 4), ("Peter", "Blackburn", "#")),
    ]
    assert (len(data.val), len(data.test), data.train[0].source.line) == (2, 2, "EU rejects")
    assert data.notes[0].startswith(
        "val texts that are train texts, too, so val accuracy flatters: 1 (eng.testa line 7"
    )
    other = open_text_samples(spec, ("O", *data.classes[:4]), labels="tags")
    assert other.val[0].label == (1, 0)
    refuse(spec, "eng.train line 4: unknown tag 'B-ORG'", classes=("O", "B-PER", "I-PER"), labels="tags")
    refuse(spec, "its texts have no labels of their own", labels="one")
    write(CONLL.replace("B-ORG", "B-LOC"), "eng.testa")
    refuse(spec, "eng.testa line 4: unknown tag 'B-LOC'; did you mean 'B-ORG'?", labels="tags")


def test_tags_in_json_and_tabs(write):
    line = '{"tokens": ["New", "York"], "ner_tags": ["B-LOC", "I-LOC"]}\n'
    data = open_text_samples(write(line, "a.jsonl"), labels="tags")
    assert (data.val[0].source.text, data.val[0].label) == (("New", "York"), (0, 1))
    refuse(write(line.replace(', "I-LOC"', ""), "b.jsonl"), "b.jsonl line 1: 2 tokens and 1 tags", labels="tags")
    blank = write('{"tokens": [" "], "tags": ["O"]}\n', "c.jsonl")
    refuse(blank, "c.jsonl line 1: the text is empty", labels="tags")
    tabs = open_text_samples(write("New York\tO\r\n\r\nthe\tDET\r\n", "a.txt"), labels="tags")
    assert [s.source.text for s in tabs.val] == [("New York",), ("the",)]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("I-PER I-PER O I-LOC B-LOC", "B-PER I-PER O B-LOC B-LOC"),  # IOB1
        ("B-PER I-PER E-PER O S-LOC S-LOC", "B-PER I-PER I-PER O B-LOC B-LOC"),  # BIOES
        ("B-PER L-PER U-LOC O I-LOC I-PER", "B-PER I-PER B-LOC O B-LOC B-PER"),  # BILOU, and strays
        ("DET NN X", "DET NN X"),
    ],
)
def test_other_schemes_are_read_as_iob2(write, given, read):
    assert as_iob2(given.split()) == tuple(read.split())
    lines = "".join(f"w {tag}\n" for tag in given.split())
    notes = open_text_samples(write(lines, "a.conll"), labels="tags").notes
    assert bool(notes) == (given != read)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("EU B-ORG\nrejects\n", ["a.conll line 2: 1 column, the first line has 2; expected a word first"]),
        ("EU NNP B-ORG\n\n\nthe O\n", ["a.conll line 4: 2 columns, the first line has 3"]),
        ("word\n", ["a.conll line 1: 1 column; expected"]),
        ("a\tB-X\nb\t\n", ["a.conll line 2: 2 columns"]),
        ("\n-DOCSTART- O\n", ["no texts"]),
    ],
)
def test_sentences_that_are_refused(write, text, words):
    refuse(write(text, "a.conll"), *words, labels="tags")


def test_blocks_of_plain_text():
    text = "one\ntwo\n\n\nthree four\n" + "x" * 25 + "\n" + "a bb ccc dddd e\n\n\n"
    blocks = list(blocks_of(text, 10))
    assert blocks == [
        (1, "one\ntwo"),
        (5, "three four"),
        (6, "x" * 10),
        (6, "x" * 10),
        (6, "xxxxx"),
        (7, "a bb ccc"),
        (7, "dddd e"),
    ]
    assert "".join("".join(b.split()) for _, b in blocks) == "".join(text.split()), "nothing is lost, nothing twice"


def test_of_a_single_line_or_document_blocks_are_held_out(write):
    long = " ".join(str(i) for i in range(500))
    for spec in (write(long, "long.txt"), folder_of({"one/book.txt": long.replace(" ", "\n")}, write) + "/one"):
        data = open_texts(spec, labels="none", block=100)
        assert 0 < len(data.val) < len(data.train)
        assert {s.source for s in data.val}.isdisjoint(s.source for s in data.train)


def test_documents_for_a_language_model(write):
    files = {f"{name}.txt": "\n".join(f"{name} {i}" for i in range(200)) for name in "abcde"}
    spec = folder_of(files, write)
    data = open_texts(spec, labels="none", block=100)
    held = {s.name.split()[0] for s in data.val}
    assert (len(held), data.classes, data.val[0].label) == (1, (), None)
    assert held.isdisjoint(s.name.split()[0] for s in data.train), "a document is held out as a whole"
    assert max(len(s.source.text) for s in data.train) <= 100
    split = open_texts(folder_of({"w/wiki.train.txt": "a\nb\n", "w/wiki.valid.txt": "c"}, write) + "/w", labels="none")
    assert [(s.name, s.source.text) for s in (*split.train, *split.val)] == [
        ("wiki.train.txt line 1", "a\nb"),
        ("wiki.valid.txt line 1", "c"),
    ]
    refuse(write("one block", "one.txt"), "a single text, so none is left for val; add texts", labels="none")
    refuse(write("a\nb", "z.txt"), "z.txt: its texts have no labels of their own; pass reuters")
    refuse(write("\n \n", "z.txt"), "no texts", labels="none")
