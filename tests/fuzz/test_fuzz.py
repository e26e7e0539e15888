"""A short, fixed run of each fuzzer, its own ability to find, and generated recipes and manifests."""

import csv
import io
from contextlib import suppress
from importlib.util import find_spec

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ft import recipe
from ft.data import open_images
from ft.errors import UserError
from tests.fuzz.__main__ import fuzz
from tests.fuzz.readers import READERS, prepare

NEEDS = {"pth": "torch", "keras": "h5py", "tokenizer": "tokenizers"}
CASES = {"keras": 60, **dict.fromkeys(("coco", "voc", "yolo", "texts", "tokenizer", "config"), 150)}


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused(reader, tmp_path):
    if find_spec(NEEDS.get(reader, "ft")) is None:
        pytest.skip(f"whole files are written by {NEEDS[reader]}")
    counts = fuzz(reader, seconds=1200, seed=20, keep=tmp_path, cases=CASES.get(reader, 400))
    print(counts)
    assert counts["findings"] == []
    assert counts["cases"] == CASES.get(reader, 400)
    assert min(counts["outcomes"]["read"], counts["outcomes"]["refused"]) > 0
    assert counts["peak_MB"] < 1500


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raise KeyError('planted')", "KeyError: 'planted'"),
        ("bytearray(1 << 34)", "MemoryError"),
        ("os.abort()", "exit -6"),
        ("time.sleep(99)", "exit -14"),
    ],
)
def test_a_reader_that_fails_is_found(fault, told, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time\n"
        "from tests.fuzz import readers\n"
        f"readers.CASE_SECONDS = {0.5 if 'sleep' in fault else 60}\n"
        "def broken(path):\n"
        "    if path.name == 'case':\n"
        f"        {fault}\n"
        "    return 'read'\n"
        "readers.READERS['yaml'] = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{__file__.partition('/tests/')[0]}")
    counts = fuzz("yaml", seconds=600, seed=1, keep=tmp_path / "kept", cases=1)
    assert [told in finding for finding in counts["findings"]] == [True]
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    prepare(path)
    return path


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([*recipe.FIELDS, "learning_rate"]) | st.text(max_size=9), VALUES, max_size=4))
def test_any_recipe_is_read_or_refused(values):
    with suppress(UserError):
        recipe.from_dict(values)


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from([*recipe.FIELDS]), VALUES, max_size=4))
def test_any_recipe_file_is_read_or_refused(folder, values):
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with suppress(UserError):
        recipe.from_dict(recipe.load(folder / "recipe.yaml"))


FIELD = st.text(max_size=8) | st.sampled_from(["0.png", "1.png", "cat", "val", "../0.png", "/0.png", "path", "label"])


@settings(max_examples=100)
@given(st.lists(st.lists(FIELD, max_size=4), max_size=6), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_any_manifest_is_read_or_refused(folder, rows, delimiter, headed):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["path", "label"]] * headed + rows)
    (folder / "m.csv").write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    with suppress(UserError):
        open_images(str(folder / "m.csv"))
