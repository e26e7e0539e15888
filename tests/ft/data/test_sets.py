"""Several labels an image: what a CSV's cells mean, how they are split, and what batches make of them."""

import json
from collections import Counter

import numpy as np
import pytest

from ft.data import Mix, Policy, Preprocess, Sample, open_dataset, open_images
from ft.data.check.check import check_data
from ft.errors import DataError
from ft.report.data import render_html, render_text, to_dict
from tests.ft.data.made import made

PREPROCESS = Preprocess(18, 16, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def write(tmp_path, pixels, encode):
    """Write labels.csv with these cells and its images; return its path."""

    def write(*cells, header="path,label"):
        for i in range(len(cells)):
            (tmp_path / f"{i}.png").write_bytes(encode(pixels(40, 50, seed=i)))
        lines = [header, *(f"{i}.png,{cell}" for i, cell in enumerate(cells))]
        (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
        return str(tmp_path / "labels.csv")

    return write


def sets(data, samples):
    return {s.name: {data.classes[k] for k in s.label} for s in samples}


def test_a_cell_is_a_set(write):
    cells = ("cat|dog", " dog | cat ", "ünsal|cat", "", "  ", '"a,b|cat"', "dog")
    data = open_images(write(*cells), labels="either")
    assert data.multilabel
    assert data.classes == ("a,b", "cat", "dog", "ünsal")
    expected = [{"cat", "dog"}, {"cat", "dog"}, {"ünsal", "cat"}, set(), set(), {"a,b", "cat"}, {"dog"}]
    assert sets(data, data.val) == {f"{i}.png": names for i, names in enumerate(expected)}
    assert all(s.label == tuple(sorted(s.label)) for s in data.val)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("cat|", ["line 3", "a blank label in 'cat|'", "leave the cell empty for none"]),
        ("|", ["line 3", "a blank label in '|'"]),
        ("cat| |dog", ["line 3", "a blank label in 'cat| |dog'"]),
        ("cat|dog| cat", ["line 3", "'cat' twice in 'cat|dog| cat'", "name each label once"]),
    ],
)
def test_malformed_cells(cell, words, write):
    with pytest.raises(DataError) as caught:
        open_images(write("cat|dog", cell), labels="either")
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("cat|dog", ["line 3: several labels, 'cat|dog'", "give '1.png' one", "--loss bce"]),
        ("", ["line 3: blank label", "give '1.png' a class", "--loss bce"]),
    ],
)
def test_where_one_label_is_wanted_sets_are_refused(cell, words, write):
    spec = write("cat", cell, "dog", "cat", "dog")
    for read in (open_dataset, open_images):
        with pytest.raises(DataError) as caught:
            read(spec)
        assert all(word in str(caught.value) for word in words)


def test_single_labels_stay_what_they_are(write):
    spec = write("cat", " cat ", "dog", "cat", " cat", "dog")
    one, either = open_dataset(spec), open_dataset(spec, labels="either")
    assert one == either
    assert (one.classes, one.multilabel) == (("cat", "dog"), False), "blanks around a label are none of it"
    assert [s.label for s in open_images(spec, (" cat", "dog")).val] == [0, 0, 1, 0, 0, 1], "as older models kept them"
    assert all(isinstance(s.label, int) for s in one.train)
    forced = open_images(spec, labels="sets")
    assert (forced.classes, forced.multilabel) == (("cat", "dog"), True)
    assert {s.label for s in forced.val} == {(0,), (1,)}


def test_the_classes_of_a_model_decide(write):
    spec = write("cat|dog", "dog")
    data = open_images(spec, ("emu", "dog", "cat"), labels="sets")
    assert [s.label for s in data.val] == [(1, 2), (1,)]
    with pytest.raises(DataError, match="unknown class 'dog'"):
        open_images(spec, ("cat", "emu"), labels="sets")


def test_a_folder_for_a_multilabel_model(write_images):
    data = open_images(str(write_images()), ("cat", "dog", "emu"), labels="sets")
    assert {s.label for s in data.val} == {(0,), (1,)}


def test_held_out_by_the_rarest_label(write):
    """ "all" is on every image, so that it stratifies nothing; images without a label are a group of their own."""
    cells = ["all|cat"] * 10 + ["all|dog"] * 20 + ["all|cat|bee"] * 5 + [""] * 10 + ["all"] * 10
    data = open_dataset(write(*cells), labels="either", val_fraction=0.2, seed=3)
    groups = Counter(cells[int(s.name.removesuffix(".png"))] for s in data.val)
    assert groups == {"all|cat": 2, "all|dog": 4, "all|cat|bee": 1, "": 2, "all": 2}
    assert open_dataset(write(*cells), labels="either", val_fraction=0.2, seed=3) == data
    assert open_dataset(write(*cells), labels="either", val_fraction=0.2, seed=4) != data


def test_of_equally_rare_labels_the_first_in_byte_order_counts(write):
    cells = ["b|a"] * 4 + ["a|c"] * 4 + ["b"] * 4 + ["c"] * 4  # a, b and c: eight images each
    data = open_dataset(write(*cells), labels="either", val_fraction=0.25)
    groups = Counter(cells[int(s.name.removesuffix(".png"))] for s in data.val)
    assert groups["b|a"] + groups["a|c"] == 2
    assert (groups["b"], groups["c"]) == (1, 1)


def test_splits_that_cannot_be_used(write):
    with pytest.raises(DataError, match="val image has a label"):
        open_dataset(write("a|b,train", "a,train", ",val", header="path,label,split"), labels="either")
    with pytest.raises(DataError, match=r"same labels \('a', 'b'\)"):
        open_dataset(write("a|b,train", "b|a,train", "a,val", header="path,label,split"), labels="either")
    with pytest.raises(DataError, match="no image has a label"):
        open_images(write("", ""), labels="either")
    with pytest.raises(DataError, match="val has classes that train lacks: c"):
        open_dataset(write("a|b,train", "a,train", "a|c,val", header="path,label,split"), labels="either")


def test_notes_count_every_label(write):
    data = open_dataset(write("a|b,train", "a|b,train", "c,train", "b,val", header="path,label,split"), labels="either")
    assert data.notes == ("classes without val images: 1 (a)",)


# ---- batches


def samples(pixels, labels):
    return [Sample(f"{i}.png", label, pixels(20, 30, seed=i)) for i, label in enumerate(labels)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_of_batches_are_zeros_and_ones(dtype, pixels):
    ours = made(samples(pixels, [(0, 2), (), (1,)]), PREPROCESS, batch_size=2, columns=3, dtype=dtype)
    first, second = ours.epoch(0)
    assert first.targets["shares"].dtype == first.inputs.dtype == dtype
    assert [*first.targets["shares"].tolist(), *second.targets["shares"].tolist()] == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_array_equal(next(ours.in_order().epoch(0)).targets["shares"], first.targets["shares"])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_mixes_the_sets(kind, pixels):
    labels = [(0, 2), (), (1,), (0, 1, 2)]
    mix = Mix(0.4 * (kind == "mixup"), 1.0 * (kind == "cutmix"), 3, seed=1)
    plain, mixed = (
        next(made(samples(pixels, labels), PREPROCESS, batch_size=4, columns=3, dtype="float64", mix=m).epoch(0))
        for m in (None, mix)
    )
    before = np.roll(plain.targets["shares"], 1, axis=0)
    lam = mixed.targets["shares"][0, 1]  # only the image before has class 1
    assert 0 < lam < 1
    np.testing.assert_allclose(mixed.targets["shares"], (1 - lam) * plain.targets["shares"] + lam * before, rtol=1e-12)
    if kind == "mixup":
        expected = (1 - lam) * plain.inputs + lam * np.roll(plain.inputs, 1, axis=0)
        np.testing.assert_allclose(mixed.inputs, expected, rtol=1e-12, atol=1e-14)


def test_balanced_draws_take_each_class_alike(pixels):
    """Each class, and the images without one, with the same chance, then one of its images."""
    labels = [(0,)] * 60 + [(0, 1)] * 12 + [(2,)] * 6 + [()] * 3
    image = pixels(20, 30)
    ours = made(
        [Sample(str(i), label, image) for i, label in enumerate(labels)],
        PREPROCESS,
        batch_size=8,
        shuffle=True,
        balanced=True,
        columns=3,
    )
    drawn = Counter(labels[i] for epoch in range(400) for i in ours.draw(epoch))
    total = sum(drawn.values())
    expected = {(0,): 60 / 72 / 4, (0, 1): (12 / 72 + 1) / 4, (2,): 1 / 4, (): 1 / 4}
    assert {label: drawn[label] / total for label in expected} == pytest.approx(expected, abs=0.01)


# ---- ft data check


def test_a_check_counts_each_label(write):
    check = check_data(write("cat|dog", "cat", "", "dog|cat", "emu", "emu"), policy=Policy(), val_fraction=0.5)
    assert {c.label: c.train + c.val for c in check.classes} == {"cat": 3, "dog": 2, "emu": 2}
    by_kind = {f.kind: f for f in check.findings}
    assert (by_kind["no label"].level, by_kind["no label"].items) == ("note", (("2.png", ""),))
    text = render_text(check)
    assert "multi-label, 1.17 an image: train with --loss bce or bce-focal" in " ".join(text.split())
    val = sum(split == "val" for split in check.splits.values())
    assert f"{6 - val} train, {val} val" in text
    assert [row["label"] for row in json.loads(json.dumps(to_dict(check)))["classes"]] == ["cat", "dog", "emu"]
    assert "cat" in render_html(check, max_pixels=10**6)


def test_a_blank_label_among_single_ones_is_a_warning(write):
    check = check_data(write("cat", "dog", "", "cat", "dog"), policy=Policy())
    assert {f.kind: f.level for f in check.findings}["no label"] == "warning"


def test_a_malformed_cell_is_an_error_of_the_check_too(write):
    with pytest.raises(DataError, match="line 2: 'cat' twice"):
        check_data(write("cat|cat", "dog"), policy=Policy())


def test_copies_with_the_same_set_are_no_conflict(write, tmp_path):
    spec = write("cat|dog,train", "dog|cat,train", "cat,train", "dog,val", header="path,label,split")
    for i in (1, 2):
        (tmp_path / f"{i}.png").write_bytes((tmp_path / "0.png").read_bytes())
    by_kind = {f.kind: f for f in check_data(spec, policy=Policy()).findings}
    assert by_kind["copies"].items == (("1.png", "same bytes as 0.png"),)
    assert by_kind["conflict"].items == (("2.png", "same bytes as 0.png, labelled cat|dog"),)


def test_a_comma_in_a_label_is_asked_about(write):
    spec = write("dog", "cat", '"dog, cat"', "dog")
    assert open_dataset(spec, val_fraction=0.5).classes == ("cat", "dog", "dog, cat")
    with pytest.raises(DataError, match=r"line 4: is 'dog, cat' one label or 2\? for several write dog\|cat"):
        open_dataset(spec, labels="either")
    spec = write("dog", "cat", '"cat, Persian"', "dog")
    said = "labels with commas, each taken for one (several have a | between them): 1 (cat, Persian)"
    assert said in open_dataset(spec, labels="either").notes
    assert "comma" in {finding.kind for finding in check_data(spec, policy=Policy()).findings}


def test_columns_of_zeros_and_ones(write):
    data = open_images(write("1,0,val", "1,1,val", "0,0,val", header="path,dog,cat,split"), labels="either")
    assert (data.classes, [sample.label for sample in data.val]) == (("cat", "dog"), [(1,), (0, 1), ()])
