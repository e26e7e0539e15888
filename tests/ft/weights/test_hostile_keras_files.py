"""Keras's files that hold more than plain arrays, or lead elsewhere: an error of the file, and nothing runs."""

import numpy as np
import pytest

from ft.errors import WeightsError
from ft.weights.keras_file import inspect
from tests.ft.weights.test_keras_file import h5py, write, write_old


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.weights.h5"


def soft_link(root, held):
    held["2"] = h5py.SoftLink("/optimizer/vars/0")


def external_link(root, held):
    held["2"] = h5py.ExternalLink("/etc/passwd", "/layers")


def external_link_elsewhere(root, held):
    root["optimizer/x"] = h5py.ExternalLink("other.h5", "/")


def external_data(root, held):
    held.create_dataset("2", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def virtual_data(root, held):
    layout = h5py.VirtualLayout((8,), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "data", (8,))
    held.create_virtual_dataset("2", layout)


def references(root, held):
    held.create_dataset("2", data=np.array([root.ref, held.ref], h5py.ref_dtype))


def regions(root, held):
    region = held["0"].regionref[:1]
    held.create_dataset("2", data=np.array([region], h5py.regionref_dtype))


def text_data(root, held):
    held.create_dataset("2", data=["a", "b"])


def records(root, held):
    held.create_dataset("2", data=np.zeros(3, [("a", "f4"), ("b", "i4")]))


def opaque_bytes(root, held):
    held.create_dataset("2", data=np.zeros(3, "V2"))


def long_doubles(root, held):
    held.create_dataset("2", data=np.zeros(3, np.longdouble))


def no_numbers(root, held):
    held.create_dataset("2", data=h5py.Empty("f4"))


def compressed_bomb(root, held):
    held.create_dataset("2", (1 << 30,), "f8", compression="gzip", chunks=(1 << 16,))


def in_pieces(root, held):
    held.create_dataset("2", (8,), "f4", chunks=(2,))


def never_written(root, held):
    held.create_dataset("2", (1 << 50,), "f8")


def overflowing(root, held):
    space = h5py.h5s.create_simple((1 << 62, 1 << 62))
    h5py.h5d.create(held.id, b"2", h5py.h5t.IEEE_F64LE, space)


def loop(root, held):
    held["2"] = root["layers"]


def same_array_twice(root, held):
    held["2"] = held["0"]


def committed_type(root, held):
    held["2"] = np.dtype("f4")


def too_deep(root, held):
    root.create_group("/".join("a" * 40))


def layer_name_is_a_path(root, held):
    held.attrs["name"] = "../../evil"


def layer_name_twice(root, held):
    held.attrs["name"] = "bn1"


def layer_name_unprintable(root, held):
    held.attrs["name"] = "a\nb"


def layer_name_no_text(root, held):
    held.attrs["name"] = 7


def layer_name_a_reference(root, held):
    held.attrs["name"] = root.ref


def layer_names_many(root, held):
    held.attrs["name"] = ["a", "b"]


def layer_name_missing(root, held):
    del held.attrs["name"]


HOSTILE = [
    (soft_link, "link"),
    (external_link, "link"),
    (external_link_elsewhere, "link"),
    (external_data, "another file"),
    (virtual_data, "another file|in pieces"),
    (references, "expected an array of plain numbers"),
    (regions, "are stored"),
    (text_data, "are stored"),
    (records, "expected an array of plain numbers"),
    (opaque_bytes, "expected an array of plain numbers"),
    (long_doubles, "expected an array of plain numbers"),
    (no_numbers, "expected an array of plain numbers|are stored"),
    (compressed_bomb, "compressed"),
    (in_pieces, "in pieces"),
    (never_written, "0 are stored"),
    (overflowing, "damaged|are stored"),
    (loop, "twice"),
    (same_array_twice, "twice"),
    (committed_type, "neither"),
    (too_deep, "too deep"),
    (layer_name_is_a_path, "without '/'"),
    (layer_name_twice, "two variables called bn1/0"),
    (layer_name_unprintable, "printable"),
    (layer_name_no_text, "no list of names"),
    (layer_name_a_reference, "no list of names"),
    (layer_names_many, "damaged"),
    (layer_name_missing, r"Keras 2\.12"),
]


@pytest.mark.parametrize(("spoil", "reason"), [pytest.param(*case, id=case[0].__name__) for case in HOSTILE])
def test_anything_but_plain_arrays_is_refused(path, spoil, reason):
    write(path)
    with h5py.File(path, "a") as root:
        spoil(root, root["layers/layer_0/vars"])
    with pytest.raises(WeightsError, match=reason) as caught:
        inspect(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["/layers/x", "conv1/missing", "..", "conv1", ""])
def test_an_old_list_may_not_lead_elsewhere(path, name):
    write_old(path)
    with h5py.File(path, "a") as root:
        root["conv1"].attrs["weight_names"] = [name]
    with pytest.raises(WeightsError, match=r"damaged|printable"):
        inspect(path)
