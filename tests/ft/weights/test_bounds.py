"""What costs time for each of its parts is counted before: tensors of a file, steps of a pickle, files of a CSV."""

import io

import numpy as np
import pytest

from ft.data.sources import manifest
from ft.errors import DataError, WeightsError
from ft.weights import inert_pickle, read_weights, write_safetensors
from ft.weights.recognise import recognise
from ft.weights.tensors import MAX_TENSORS


def test_a_file_of_more_tensors_than_any_network(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", {f"t{i}": np.zeros(1) for i in range(MAX_TENSORS + 1)}, {})
    with pytest.raises(WeightsError, match=f"holds {MAX_TENSORS + 1} tensors; expected at most {MAX_TENSORS}"):
        read_weights(tmp_path / "x.safetensors")


def test_no_fingerprint_is_taken_of_too_many_tensors(monkeypatch):
    monkeypatch.setattr("ft.weights.recognise.body_print", lambda *_: pytest.fail("a fingerprint"))
    assert recognise({f"t{i}": np.zeros(1) for i in range(9000)}) == []


def test_a_pickle_of_many_steps():
    content = b"\x80\x02" + b"]" * (inert_pickle.MAX_OPCODES + 5)
    with pytest.raises(WeightsError, match="a pickle of more than 1000000 steps"):
        inert_pickle.read_pickle(io.BytesIO(content))


def test_a_csv_of_files_that_do_not_exist(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_ABSENT", 20)
    path = tmp_path / "x.csv"
    path.write_text("path,label\n" + "".join(f"{i}.png,a\n" for i in range(20)))
    assert len(manifest.list_manifest(path, missing=True).entries) == 20
    with path.open("a") as file:
        file.write("last.png,a\n")
    with pytest.raises(DataError, match=r"line 22: more than 20 of its files do not exist, the first is '0\.png'"):
        manifest.list_manifest(path, missing=True)
