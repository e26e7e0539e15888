"""The feature cache: kept features train to the same bits, and no file is trusted that is not what it should be."""

import errno
import json
import os
import re
import struct
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ft
from ft.backend import contract as backend
from ft.cli.cache import cache
from ft.data import Features
from ft.errors import RecipeError, RunError
from ft.features import file as feature_file
from ft.features.features import Keeper, sources_of
from ft.features.file import HEADER, decode_header, make_room, open_features, stored, write_features
from ft.system import files
from ft.training.build import build_learner
from ft.training.job import prepare_job
from ft.weights import read_safetensors, write_safetensors
from tests.ft.features.conftest import NET, arrays

AUGMENTED = {"augment": "crop-flip", "jitter": 0.4}


@pytest.fixture
def write(folder):
    """Write a file of 2 views of 5 images with 3 features; return path, array and key."""

    def write(key="a" * 64, limit=1e6, parts=None):
        values = np.arange(30, dtype=np.float32).reshape(10, 3)
        path = feature_file.path_of(folder, key)
        parts = np.array_split(values, 4) if parts is None else parts
        form = {"dtype": values.dtype, "shape": (2, 5, 3), "limit": limit}
        return path, write_features(path, parts, key=key, about="a test", **form), key

    return write


def check(path, key="a" * 64, views=2, images=5):
    return open_features(path, key=key, dtype=np.dtype(np.float32), shape=(views, images, 3))


# ---- what is kept trains to the same weights


def test_memory_disk_and_no_cache_train_the_same_bits(tune, folder):
    memory, said = tune(cache="memory")
    assert " go to " not in said
    assert not folder.exists()
    assert tune(cache="off")[0] == memory
    disk, said = tune(cache="disk")
    assert disk == memory
    assert said.count("go to") == 2
    assert "features of 12 images, 144 B, go to" in said
    assert len(stored(folder)) == 2


def test_a_second_run_finds_the_features_and_says_so(tune, folder, monkeypatch, fake_wing):
    first, _ = tune(cache="disk")
    before = [path.read_bytes() for path, _, _ in stored(folder)]
    compute = fake_wing.features

    def of_one_image(self, images):  # by which type and shape of the file are judged
        return compute(self, images) if len(images) == 1 else pytest.fail("computed again")

    monkeypatch.setattr(fake_wing, "features", of_one_image)
    for fields in ({"cache": "disk"}, {"cache": "auto"}, {"cache": "disk", "lr": 0.01, "momentum": 0.5}):
        weights, said = tune(**fields)
        assert said.count("found in") == 2
        assert (weights == first) is ("lr" not in fields)
    assert sorted(before) == sorted(path.read_bytes() for path, _, _ in stored(folder))


def test_the_pass_that_computes_them_says_how_far_it_is(tune):
    _, said = tune(cache="memory", cache_views=2, augment="crop-flip")
    assert "computing the features of 24 images\ncomputing the features of 4 images\nepoch 1/" in said


def test_auto_takes_the_disk_above_its_limit(keep, folder):
    in_memory, _ = keep()
    assert keep(cache_limit=16 * 12 / 1e9)[1] == ""  # 16 images of 3 float32 numbers: just in memory
    assert not folder.exists()
    on_disk, said = keep(cache_limit=16 * 12 / 1e9 - 1e-9)
    assert said.count("go to") == 2
    for one, other in zip(in_memory, on_disk, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_too_large_for_the_disk_trains_on_pixels_or_is_refused(keep, folder):
    limits = {"cache_limit": 1e-8, "cache_disk_limit": 1e-8}
    sources, said = keep(**limits)
    assert sources == [None, None]
    assert said == "no features are kept: features of all images take 192 B, cache_disk_limit is 1e-08 GB"
    with pytest.raises(RecipeError, match=r"raise --cache-disk-limit, or train without: --cache off"):
        keep(**limits, cache="disk")
    assert keep(**limits, cache="memory")[1] == ""
    assert not stored(folder)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bn": "update"}, "with bn update the base runs in training mode"),
        ({"freeze": "stem,layer1"}, "not all of the base is frozen"),
        ({"unfreeze": "2:layer4"}, "no features are kept"),
        ({"augment": "crop-flip"}, "augmentation changes the images from epoch to epoch (see --cache-views)"),
        ({"mixup": 0.2}, "augmentation changes"),
    ],
)
def test_what_changes_is_never_kept(tune, folder, fields, reason, fake_wing, monkeypatch):
    def step(self, batch, *, step, lr):
        assert not isinstance(batch.inputs, Features)
        return np.ones(5)

    monkeypatch.setattr(fake_wing, "step", step)
    assert reason in tune(cache="disk", **fields)[1]
    assert not folder.exists()


# ---- views of augmented images


def test_as_many_views_as_epochs_are_no_approximation(tune):
    exact, _ = tune(**AUGMENTED)
    for place in ("memory", "disk", "disk"):
        weights, said = tune(**AUGMENTED, cache=place, cache_views=3)
        assert weights == exact
        assert "an approximation: of every image 3 augmented views are kept" in said
    assert said.count("found in") == 2
    assert tune(**AUGMENTED, cache_views=2)[0] != exact


def test_epoch_e_takes_view_e_mod_k(tune, folder):
    job = prepare_job(ft.Recipe(**NET, **AUGMENTED, data=tune.data, cache_views=2))
    learner, _ = build_learner(job, backend.load("torch"), device="cpu")
    train, val = sources_of(Keeper(job, learner, "torch", "cpu", print), "train", "val")
    assert (len(train.views), len(val.views)) == (2, 1)
    pixels = job.batches("train")
    for epoch, view in ((0, 0), (1, 1), (2, 0), (3, 1)):
        ordered = np.concatenate(
            [learner.features(b.inputs).taps["head"] for b in pixels.in_order(augmented=True).epoch(view)]
        )
        for batch in train.epoch(epoch, start=1):
            np.testing.assert_array_equal(batch.inputs.taps["head"], ordered[batch.indices])
            np.testing.assert_array_equal(batch.targets["labels"], [pixels.samples[i].label for i in batch.indices])
    assert (arrays(train)[0] != arrays(train)[1]).any()


def test_a_run_with_views_goes_on_where_it_was(tune, tmp_path):
    fields = {**AUGMENTED, "cache_views": 2}
    straight, _ = tune(**fields, epochs=4)
    tune(**fields, epochs=1, out=tmp_path / "short")
    run = ft.finetune(resume=tmp_path / "short", epochs=4)
    assert read_safetensors(run.folder / "model.safetensors")["fc.weight"].tobytes() in straight


def test_the_training_metrics_are_of_plain_images(tune, tmp_path):
    ft.finetune(**NET, **AUGMENTED, data=tune.data, out=tmp_path / "a")
    run = ft.finetune(**NET, **AUGMENTED, data=tune.data, cache_views=3, out=tmp_path / "b")
    assert ft.Run(tmp_path / "a").result["train_metrics"] == run.result["train_metrics"]


# ---- the file


def test_a_file_is_a_safetensors_file_mapped_read_only(write):
    path, array, _ = write()
    np.testing.assert_array_equal(array, np.arange(30, dtype=np.float32).reshape(2, 5, 3))
    np.testing.assert_array_equal(check(path), array)
    np.testing.assert_array_equal(read_safetensors(path)["features"], array)
    assert path.stat().st_size == HEADER + 120
    assert not array.flags.writeable
    path.unlink()
    np.testing.assert_array_equal(array[1, 4], [27, 28, 29])  # what is mapped stays
    assert os.listdir(path.parent) == []
    assert feature_file.about(path) == {"about": "damaged"}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_takes_no_memory_for_what_was_taken_of_it(keep, folder):
    keep(cache="disk")
    assert resident(folder) > 0  # it was compared just now
    for source in keep.sources:
        assert len(list(source.epoch(0))) == len(source)
    assert resident(folder) == 0


def resident(folder):
    """Return the kilobytes of memory that the mapped files of a folder take."""
    mappings = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    taken = [re.search(r"Rss: +(\d+) kB", mapping) for mapping in mappings if str(folder) in mapping]
    return sum(int(found[1]) for found in taken)


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"x")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def of_another_key(path):
    values = np.zeros((1, 12, 3), np.float32)
    write_features(path, [values], key="b" * 64, about="", dtype=values.dtype, shape=values.shape, limit=1e6)


def of_another_shape(path):
    header, data = decode_header(path.read_bytes()[:HEADER]), path.read_bytes()[HEADER:]
    path.write_bytes(replace(header, shape=(*header.shape[:2], 1, header.shape[2])).encode() + data)


def as_folder(path):
    path.unlink()
    (path / "in it").mkdir(parents=True)


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_link(path):
    path.unlink()
    path.symlink_to("nowhere")


SPOILED = {
    "truncated": (truncate, "bytes, expected"),
    "longer": (lengthen, "bytes, expected"),
    "flipped": (flip, "its content changed"),
    "empty": (lambda path: path.write_bytes(b""), "no file of features"),
    "foreign": (lambda path: path.write_bytes(b"\x89PNG" * 2000), "no file of features"),
    "weights": (lambda path: write_safetensors(path, {"features": np.zeros(3)}, {}), "no file of features"),
    "other": (of_another_key, "features of something else"),
    "folder": (as_folder, "no regular file"),
    "pipe": (as_pipe, "no regular file"),
    "deep": (lambda path: path.write_bytes(struct.pack("<Q", HEADER - 8) + b"[" * (HEADER - 8)), "no file of features"),
    "of another shape": (of_another_shape, "features of something else"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_file_is_computed_anew(keep, folder, name):
    good, _ = keep(cache="disk")
    good = [array.copy() for array in good]  # a file that is shortened in place takes its pages along
    spoil, reason = SPOILED[name]
    before = {path: path.read_bytes() for path, _, _ in stored(folder)}
    for path in before:
        spoil(path)
    again, said = keep(cache="disk")
    assert said.count("computed anew") == 2
    assert reason in said
    for one, other in zip(good, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert before == {path: path.read_bytes() for path, _, _ in stored(folder)}


def test_a_header_that_promises_other_counts_is_refused(write):
    path, _, _ = write()
    for fields in ({"views": 1}, {"images": 6}, {"key": "c" * 64}):
        with pytest.raises(ValueError, match="something else"):
            check(path, **fields)


def test_a_run_that_dies_while_writing_leaves_no_file(write, folder):
    def parts():
        yield np.zeros((4, 3), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(parts=parts())
    assert os.listdir(folder) == []


def test_a_full_disk_is_told_with_the_flag_that_helps(write, folder, monkeypatch):
    monkeypatch.setattr(files, "require_room", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(
        RunError, match=r"No space left \(4216 bytes needed, .*free some space or choose another --cache-dir"
    ):
        write()
    assert os.listdir(folder) == []


def test_a_cache_dir_that_is_a_file_is_told(tune, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*choose another --cache-dir"):
        tune(cache="disk", cache_dir=str(tmp_path / "file"))


def test_two_runs_at_once_both_succeed(write, folder):
    barrier, arrays = threading.Barrier(2), []

    def parts():
        for part in np.array_split(np.arange(30, dtype=np.float32).reshape(10, 3), 5):
            barrier.wait(300)
            yield part

    threads = [threading.Thread(target=lambda: arrays.append(write(parts=parts())[1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrays) == 2
    np.testing.assert_array_equal(*arrays)
    np.testing.assert_array_equal(check(stored(folder)[0][0]), arrays[0])
    assert len(os.listdir(folder)) == 1


def test_the_least_recently_used_give_way(write, folder):
    paths = [write(key=letter * 64)[0] for letter in "abc"]
    size = paths[0].stat().st_size
    for age, path in zip((30, 20, 10), paths, strict=True):
        os.utime(path, (time.time() - age,) * 2)
    (folder / "mine.safetensors").write_bytes(bytes(9000))
    check(paths[0])  # used just now
    make_room(folder, size, limit=3 * size)
    assert [path for path, _, _ in stored(folder)] == [paths[2], paths[0]]
    write(key="d" * 64, limit=size)
    assert [path.name[9] for path, _, _ in stored(folder)] == ["d"]
    assert (folder / "mine.safetensors").exists()


def test_what_a_dead_run_left_goes_and_what_is_being_written_stays(write, folder):
    write()
    old, new = (folder / f"{files.TEMPORARY}{name}" for name in ("old", "new"))
    old.write_bytes(b"x" * 10)
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    make_room(folder, 0, limit=1e6)
    assert (old.exists(), new.exists(), len(stored(folder))) == (False, True, 1)


# ---- the key


# ---- the command


def test_the_command_lists_and_clears(write, folder, capsys):
    path, _, _ = write()
    write(key="b" * 64)
    (folder / "mine.safetensors").write_bytes(b"x")
    path.write_bytes(b"x")
    assert cache([]) == 0
    printed = capsys.readouterr().out
    assert printed.count("a test\n") == 1
    assert printed.count("damaged\n") == 1
    assert printed.endswith(f"2 files, 4.2 kB  {folder}\n")
    assert cache(["list", "--json"]) == 0
    assert {row["about"] for row in json.loads(capsys.readouterr().out)} == {"a test", "damaged"}
    assert cache(["clear"]) == 0
    assert capsys.readouterr().out == f"2 files, 4.2 kB removed  {folder}\n"
    assert os.listdir(folder) == ["mine.safetensors"]
    assert cache(["clear", "--cache-dir", str(folder / "nowhere"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 0, "bytes": 0}
    with pytest.raises(RecipeError, match="invalid choice: 'clean'"):
        cache(["clean"])


@pytest.mark.parametrize("spoil", [as_folder, as_pipe, as_link, lambda path: os.utime(path, (2**40, 2**40))])
def test_the_command_lists_and_clears_what_is_no_file(write, spoil, capsys):
    path, _, _ = write()
    spoil(path)
    assert cache([]) == 0
    assert "1 files" in capsys.readouterr().out
    assert cache(["clear"]) == 0
    assert os.listdir(path.parent) == []


def test_the_folder_is_the_users_own_or_it_is_said(keep, folder):
    _, said = keep(cache="disk")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "others write there" not in said
    folder.chmod(0o777)
    assert "of mode 0777, so others write there" in keep(cache="disk")[1]
