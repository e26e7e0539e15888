"""Which texts a word of a command line, or an argument of `predict`, stands for."""

import pytest

from ft.api.asked_texts import asked_for
from ft.data.sources.asked_texts import all_texts, find_texts
from ft.data.sources.text import Text
from ft.errors import DataError, RecipeError


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text('label,Text,text_pair\na,"one, two",x\nb,three,y\n')
    (tmp_path / "plain.tsv").write_text('text\nsay "hi\n')
    (tmp_path / "a.txt").write_text("whole\nfile")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.txt").write_text("b")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "great").write_bytes(b"x")
    return tmp_path


def test_what_a_word_stands_for(place):
    assert [s.source for s in find_texts("t.csv").samples] == [Text("one, two", "x"), Text("three", "y")]
    assert [s.source for s in find_texts("plain.tsv").samples] == [Text('say "hi')]
    assert [s.source for s in find_texts("a.txt").samples] == [Text("whole\nfile")]
    assert [(s.name, s.source) for s in find_texts("deep").samples] == [("er/b.txt", Text("b"))]
    for text in ("a great film", "see gone.csv", "x" * 5000, "nul\0"):
        assert [s.source for s in find_texts(text).samples] == [Text(text)]
    named = [s.name for s in all_texts(["plain.tsv", "some text"]).samples]
    assert named == ["plain.tsv: line 2", "some text"]
    assert [s.name for s in all_texts(["", " "]).samples] == ["''", "''"]  # refused by name


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gone.csv", r"gone.csv: does not exist; expected a \.csv"),
        ("photo.jpg", r"photo.jpg: a file that ends in '.jpg'; expected"),
        ("great", r"great: a file that ends in ''; expected"),
        ("empty", "empty: a folder without .txt files"),
        ("images.csv", "images.csv line 1: the columns are 'path,label'; expected text"),
        ("latin.txt", "latin.txt: byte 1 is no UTF-8"),
    ],
)
def test_a_mistake_names_what_was_found(place, word, said):
    (place / "empty").mkdir()
    (place / "images.csv").write_text("path,label\na.jpg,x\n")
    (place / "latin.txt").write_bytes(b"a\xe9")
    with pytest.raises(DataError, match=said):
        find_texts(word)


def test_pairs_are_asked_about_alone(place):
    assert asked_for(("a", "b"), missing=False).form == "one"
    assert [s.source for s in asked_for([("a", "b")], missing=False).samples] == [Text("a", "b")]
    assert [s.source for s in asked_for(["t.csv"], missing=False).samples] == [Text("t.csv")]  # a list holds texts
    for mixed in (lambda: all_texts(["t.csv", "alone"]), lambda: asked_for(["alone", ("a", "b")], missing=False)):
        with pytest.raises(DataError, match=r"is a pair of texts, .* is one text"):
            mixed()
    for odd in (3, b"x", ["a", 3], [("a", "b", "c")]):
        with pytest.raises(RecipeError, match=r"texts.*: got \w+; expected a text, a pair"):
            asked_for(odd, missing=False)
