"""Masks: how values become classes, every layout, and what is refused in one line."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ft.cli.data import data
from ft.data import Policy, holds_masks, open_dataset, open_mask_images, open_masks
from ft.data.images.decode import BadImage
from ft.data.sources.dataset import data_facts
from ft.data.sources.mask import Coding, MaskFile, coded
from ft.errors import DataError

HEIGHT, WIDTH = 12, 17
RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def draw(tmp_path):
    """Write an image of noise, or an array as PNG, below tmp_path/data; return the array."""
    rng = np.random.default_rng(0)

    def draw(name, pixels=None, **options):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) if pixels is None else pixels
        (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(path, **options)
        return pixels

    return draw


@pytest.fixture
def classes():
    """Return a mask of class numbers 0 to k - 1, all of which occur."""
    rng = np.random.default_rng(1)
    return lambda k=3: (rng.permutation(HEIGHT * WIDTH) % k).astype(np.uint8).reshape(HEIGHT, WIDTH)


@pytest.fixture
def folder(draw, classes, tmp_path):
    """Write four images with masks of three classes, and classes.txt."""
    for i in range(4):
        draw(f"images/{i}.jpg")
        draw(f"masks/{i}.png", classes())
    root = tmp_path / "data"
    (root / "classes.txt").write_text("sky\ncat\ndog\n")
    return root


def grey_png(pixels: np.ndarray, bits: int) -> bytes:
    """Return a grey PNG of so few bits a pixel, by the format's book: Pillow writes none of 2 or 4."""
    lines = [np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].reshape(-1) for row in pixels]
    content = b"".join(b"\0" + np.packbits(line).tobytes() for line in lines)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", *pixels.shape[::-1], bits, 0, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(content)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_values_are_those_that_were_written(tmp_path, classes, bits):
    pixels = classes(2**bits)
    (tmp_path / "a.png").write_bytes(grey_png(pixels, bits))
    assert np.array_equal(MaskFile(tmp_path / "a.png").values(colours=False), pixels)


def test_palettes_are_indices_and_16_bits_are_values(tmp_path, classes):
    pixels = classes(5)
    image = Image.fromarray(pixels).convert("P")
    image.putpalette([255 - i // 3 for i in range(768)])  # colours that say nothing of the index
    image.putdata(pixels.reshape(-1).tolist())
    image.save(tmp_path / "p.png")
    assert np.array_equal(MaskFile(tmp_path / "p.png").values(colours=False), pixels)
    deep = pixels.astype(np.uint16) * 300
    Image.fromarray(deep).save(tmp_path / "d.png")
    assert np.array_equal(MaskFile(tmp_path / "d.png").values(colours=False), deep)


def test_a_check_ignores_the_value_that_it_is_told(folder, capsys):
    (folder / "classes.txt").unlink()
    data(["check", str(folder), "--quiet", "--json", "--ignore-index", "2"])
    told = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in told["classes"]] == ["0", "1"]


def test_ignored_values_become_255_and_class_0_is_a_class():
    values = np.array([[0, 1, 7, 300]])
    assert coded([1, 0, 300], [7]).read(values).tolist() == [[1, 0, 255, 2]]
    with pytest.raises(BadImage, match=r"^value 7 in 1 pixels, which is no class \(0, 1, 300\); correct"):
        coded([0, 1, 300]).read(values)
    assert Coding({k: k for k in range(255)} | {255: 255}).read(np.arange(256)).tolist() == list(range(256))


def test_a_folder_of_images_and_masks(folder, draw, classes):
    assert holds_masks(str(folder))
    data = open_masks(str(folder), val_fraction=0.25)
    assert (data.classes, data.masks, len(data.train), len(data.val), data.notes) == (
        ("sky", "cat", "dog"),
        True,
        3,
        1,
        (),
    )
    for sample in data.train + data.val:
        assert np.array_equal(
            sample.label.read(), np.asarray(Image.open(folder / "masks" / f"{Path(sample.name).stem}.png"))
        )
        assert (sample.labels, sample.label.read().dtype) == ((), np.uint8)
    turned = open_masks(str(folder), val_fraction=0.25, classes=("dog", "cat", "sky"))
    assert np.array_equal(2 - turned.val[0].label.read().astype(int), data.val[0].label.read())
    with pytest.raises(DataError, match="unknown class 'sky'"):
        open_masks(str(folder), classes=("cat", "dog"))
    draw("masks/0.png", np.full((HEIGHT, WIDTH), 255, np.uint8))
    assert (open_mask_images(str(folder)).val[0].label.read() == 255).all()


def test_split_folders_either_way_round_have_the_same_samples(folder, tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for i, split in enumerate(("train", "train", "Validation", "test")):
        for kind, end in (("images", "jpg"), ("masks", "png")):
            for place in (inside / kind / split, outside / split / kind):
                place.mkdir(parents=True, exist_ok=True)
                suffix = "_mask" if kind == "masks" and i == 1 else ""
                (place / f"{i}{suffix}.{end}").write_bytes((folder / kind / f"{i}.{end}").read_bytes())
    for root in (inside, outside):
        data = open_masks(str(root))
        stems = [[Path(s.name).stem for s in split] for split in (data.train, data.val, data.test)]
        assert (stems, data.classes) == ([["0", "1"], ["2"], ["3"]], ("0", "1", "2"))
    assert "no classes.txt, so the values that occur are the classes: 0, 1, 2" in data.notes[0]


def test_facts_do_not_depend_on_where_the_data_lies(folder, tmp_path):
    before = data_facts(open_masks(str(folder)))
    moved = folder.rename(tmp_path / "moved")
    assert data_facts(open_masks(str(moved))) == before
    (moved / "classes.txt").write_text("1 cat\n0 sky\n2 dog\n")
    assert data_facts(open_masks(str(moved)))["sha256"] != before["sha256"]


def test_colours_by_a_table_or_in_ascending_order(draw, classes, tmp_path):
    palette, root = np.array([(0, 0, 0), RED, GREEN], np.uint8), tmp_path / "data"
    drawn = {i: classes() for i in range(2)}
    for i in drawn:
        draw(f"images/{i}.png")
        draw(f"masks/{i}.png", palette[drawn[i]])
    draw("images/blank.png")
    draw("masks/blank.png", np.zeros((HEIGHT, WIDTH), np.uint8))  # grey among colours is that grey's colour
    data = open_mask_images(str(root))
    assert data.classes == ("#000000", "#00ff00", "#ff0000")
    swapped = np.array([0, 2, 1])
    assert [np.array_equal(s.label.read(), swapped[drawn[int(s.name[7])]]) for s in data.val[:2]] == [True, True]
    again = open_mask_images(str(root), data.classes)
    assert np.array_equal(again.val[0].label.read(), data.val[0].label.read())
    (root / "classes.txt").write_text("# colours\nsky 0 0 0\nlarge cat 255 0 0\nignore 0 255 0\n")
    given = open_mask_images(str(root))
    assert given.classes == ("sky", "large cat")
    assert np.array_equal(given.val[0].label.read(), np.array([0, 1, 255])[drawn[0]])
    (root / "classes.txt").write_text("sky:0,0,0::\ncat:255,0,0::\n")
    with pytest.raises(DataError, match=r"masks/0.png: colour #00ff00 in 68 pixels, which is no class"):
        open_masks(str(root)).train[0].label.read()


def test_a_mask_of_0_and_255_says_how_to_make_255_a_class(folder, draw, classes):
    for i in range(4):
        draw(f"masks/{i}.png", classes(2) * np.uint8(255))
    (folder / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"all masks hold one value, 0, 255 is ignored; if that is a class, name it in"):
        open_masks(str(folder))
    assert open_masks(str(folder), ignore_index=254).classes == ("0", "255")
    (folder / "classes.txt").write_text("0 sky\n255 cat\n")
    assert np.unique(open_masks(str(folder)).val[0].label.read()).tolist() == [0, 1]


def test_a_class_that_is_to_be_ignored_is_called_so_in_the_list(folder):
    with pytest.raises(DataError, match=r"ignore_index 2 is the value of the class 'dog', so it would count; call it"):
        open_masks(str(folder), ignore_index=2)
    assert open_masks(str(folder), ignore_index=2, classes=("sky", "cat", "dog")).val, "a run of before goes on"
    (folder / "classes.txt").write_text("sky\ncat\n")
    assert np.unique(open_masks(str(folder), ignore_index=2).val[0].label.read()).tolist() == [0, 1, 255]


def missing(root, draw):
    (root / "masks/0.png").unlink()


def larger(root, draw):
    draw("masks/0.png", np.zeros((WIDTH, HEIGHT), np.uint8))


def photo(root, draw):
    draw("masks/0.png")


def grey_photo(root, draw):
    draw("masks/0.png", (np.arange(HEIGHT * WIDTH) % 200).astype(np.uint8).reshape(HEIGHT, WIDTH))


def jpeg(root, draw):
    (root / "masks/0.png").write_bytes((root / "images/0.jpg").read_bytes())


def unturned(root, draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    draw("images/0.jpg", exif=exif)


PLANTED = {
    missing: "data/images/0.jpg: no mask; expected masks/0.png, add it or remove the image",
    larger: "data/masks/0.png: 12x17 pixels, its image images/0.jpg has 17x12; save the mask of this very image",
    unturned: "data/masks/0.png: 17x12 pixels, its image images/0.jpg has 12x17; turn it as EXIF turns the image",
    jpeg: "data/masks/0.png: JPEG keeps no exact values; save the mask as PNG",
    photo: "data/masks/0.png: 204 colours, as a photo has; put the mask in its place",
    grey_photo: "data/masks/0.png: 200 values, as a photo has; put the mask in its place",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_wrong_with_a_pair_is_one_line_before_training(folder, draw, plant):
    (folder / "classes.txt").unlink()
    plant(folder, draw)
    with pytest.raises(DataError, match=PLANTED[plant]) as told:
        open_masks(str(folder))
    assert "\n" not in str(told.value)
    data = open_masks(str(folder), policy=Policy(on_bad_image="skip", max_bad_fraction=0.3))
    assert (data.skipped, len(data.train) + len(data.val)) == (("images/0.jpg",), 3)


def test_a_photo_among_named_values_is_called_one(folder, draw):
    draw("masks/0.png")
    with pytest.raises(DataError, match=r"masks/0.png: 204 colours, as a photo has; put the mask in its place$"):
        open_masks(str(folder))
    draw("masks/0.png", np.full((HEIGHT, WIDTH, 3), RED, np.uint8))
    with pytest.raises(DataError, match=r"masks/0.png: colours, where classes are values; write 'name r g b' a line"):
        open_masks(str(folder))


def test_a_value_outside_the_classes_is_told_before_training_else_when_it_is_read(folder, draw, classes):
    pixels = classes()
    pixels[0, :5] = 9
    draw("masks/0.png", pixels)
    words = r"masks/0.png: value 9 in 5 pixels, which is no class \(0 to 2, 255 ignored\)"
    with pytest.raises(DataError, match=words):
        open_masks(str(folder))
    open_masks(str(folder), classes=("sky", "cat", "dog"))  # of a run that goes on
    mask = next(s.label for s in open_mask_images(str(folder)).val if s.name == "images/0.jpg")
    with pytest.raises(DataError, match=words):
        mask.read()
    skipping = Policy(on_bad_image="skip", max_bad_fraction=0.3)
    assert open_masks(str(folder), policy=skipping).skipped == ("images/0.jpg",)


def test_classes_that_no_training_mask_shows_are_told(folder, draw, classes):
    (folder / "classes.txt").write_text("sky\ncat\ndog\nowl\nlynx\n")
    data = open_masks(str(folder), val_fraction=0.25)
    draw(data.val[0].label.name, classes(4))  # to validate by, and no more
    words = "classes that no training mask shows, so that nothing teaches them: owl, lynx"
    assert (data.notes, open_masks(str(folder), val_fraction=0.25).notes) == ((words,), (words,))
    draw(data.val[0].label.name, np.zeros((HEIGHT, WIDTH), np.uint8))
    unmeasured = "classes that no val mask shows: cat, dog"
    assert open_masks(str(folder), val_fraction=0.25).notes == (words, unmeasured)
    draw(data.val[0].label.name, np.full((HEIGHT, WIDTH), 255, np.uint8))
    with pytest.raises(DataError, match="no val mask has a pixel that counts, so nothing can be measured; draw some"):
        open_masks(str(folder), val_fraction=0.25)
    assert open_masks(str(folder), val_fraction=0.25, classes=data.classes).val, "a run goes on"


def test_lists_of_classes_that_cannot_be_are_refused(folder):
    for text, words in (
        ("\n".join(map(str, range(1000, 1256))), "256 classes; at most 255 fit into a mask"),
        ("0 sky\n0 cat\n", "0 is both 'sky' and 'cat'"),
        ("sky 0 0 0\ncat 256 0 0\n", "line 2: colour 256 0 0"),
        ("sky 0 0 0\ncat 1 0 0\ndog\n", "line 3: 'dog'; expected every line as"),
        ("\n", "empty; expected the name of a class"),
        ("sky\n", "one class, 'sky'"),
    ):
        (folder / "classes.txt").write_text(text)
        with pytest.raises(DataError, match=words):
            open_masks(str(folder))


def test_a_table(folder):
    table = folder / "t.csv"
    rows = [f"images/{i}.jpg,masks/{i}.png,{'val' if i == 2 else 'train'}" for i in range(4)]
    table.write_text("Image,mask,split\n" + "\n".join(rows))
    data = open_masks(str(table))
    assert (holds_masks(str(table)), [s.name for s in data.val]) == (True, ["images/2.jpg"])
    assert np.array_equal(data.val[0].label.read(), np.asarray(Image.open(folder / "masks/2.png")))
    table.write_text("image,mask\nimages/0.jpg,masks/9.png\n")
    with pytest.raises(DataError, match=r"t.csv line 2: 'masks/9.png' does not exist"):
        open_masks(str(table))


def test_pascal_vocs_layout(draw, tmp_path):
    root = tmp_path / "data"
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[:2], values[2:4] = 15, 255
    for i in range(4):
        draw(f"JPEGImages/{i}.jpg")
        draw(f"SegmentationClass/{i}.png", values)
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("3\n1\n")
    (lists / "val.txt").write_text("0\n")
    data = open_masks(str(root))
    assert ([s.name for s in data.train], len(data.val)) == (["JPEGImages/1.jpg", "JPEGImages/3.jpg"], 1)
    assert (data.classes[15], len(data.classes)) == ("person", 21)
    assert np.array_equal(data.val[0].label.read(), values)


def test_a_folder_of_two_classes_of_images_is_none_of_masks(write_tree):
    root = write_tree("cat/1.jpg", "dog/1.jpg")
    assert not holds_masks(str(root))
    with pytest.raises(DataError, match="holds no masks by its layout; pass scenes, a folder of images/ and masks/"):
        open_masks(str(root))
    assert not open_dataset("digits").masks
