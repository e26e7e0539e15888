"""The readers of files that come from elsewhere, each as a function of one damaged file."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ft.errors import UserError

Outcome = str  # "read", "refused", or what a reader promises to bear besides
CASE_SECONDS = 60
LIBRARY_SECONDS = 2  # of computing, which a busy machine does not shorten


def prepare(folder: Path) -> None:
    """Put what files may refer to beside them."""
    from PIL import Image

    for i in range(4):
        Image.new("RGB", (9, 9), (i * 60, 0, 0)).save(folder / f"{i}.png")


def weights(path: Path) -> Outcome:
    """Read a .pth or safetensors file; a small one must not grow."""
    from ft.weights import read_weights

    tensors = read_weights(path)
    assert sum(tensor.nbytes for tensor in tensors.values()) <= 1 << 26, "grown"
    return "read"


def keras(path: Path) -> Outcome:
    """Read a Keras file as `read_keras` does: what the HDF5 library does to a process may only befall the first one."""
    from ft.weights.keras_file import import_h5py, inspect, opened, read_array

    import_h5py()  # once, not in every child
    inspected = path.with_suffix(".inspected")
    inspected.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.setitimer(signal.ITIMER_PROF, LIBRARY_SECONDS)
            plan = inspect(path)
            inspected.touch()
            with opened(path) as (root, _):
                for where, dtype in plan.values():
                    read_array(root[where], dtype)
            code = 0
        except UserError:
            code = 2
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert end >= 0 or not inspected.exists(), f"an inspected file ended the process by signal {-end}"
    assert end != 70, "no error of the project's own"
    return {0: "read", 2: "refused", -signal.SIGPROF: "library hangs"}.get(end, "library crashes")


def yaml(path: Path) -> Outcome:
    """Read a recipe."""
    from ft import recipe

    recipe.from_dict(recipe.load(path))
    return "read"


def csv(path: Path) -> Outcome:
    """Open a manifest."""
    from ft.data import open_dataset

    named = path.with_suffix(".csv")
    path.rename(named)
    open_dataset(str(named))
    return "read"


def image(path: Path) -> Outcome:
    """Decode an image."""
    from ft.data import decode

    pixels = decode(path, max_pixels=1 << 22)
    assert pixels.ndim == 3, pixels.shape
    return "read"


def coco(path: Path) -> Outcome:
    """Read COCO's JSON in every way: boxes, masks of objects, keypoints, masks of pictures."""
    from ft.data import open_masks

    named = path.with_suffix(".json")
    path.rename(named)

    def masks() -> None:
        for sample in open_masks(str(named)).train:
            sample.label.read()

    return in_any_way(*(partial(boxes, named, marks) for marks in ("", "masks", "keypoints")), masks)


def voc(path: Path) -> Outcome:
    """Read a file of Pascal VOC's XML beside those of other images."""
    for i in range(1, 4):
        (path.parent / f"{i}.xml").write_bytes((path.parent / "seed-0").read_bytes())
    path.rename(path.parent / "0.xml")
    return in_any_way(partial(boxes, path.parent, ""))


def yolo(path: Path) -> Outcome:
    """Read YOLO's data.yaml, or the labels of an image, see `seeds.yolo`."""
    home = path.parent / "yolo"
    for i in range(4):
        for folder, name, whole in (("images", f"{i}.png", f"{i}.png"), ("labels", f"{i}.txt", "seed-0")):
            (home / folder).mkdir(parents=True, exist_ok=True)
            (home / folder / name).write_bytes((path.parent / whole).read_bytes())
    (home / "data.yaml").write_bytes((path.parent / "seed-1").read_bytes())
    path.rename(home / ("data.yaml" if b":" in path.read_bytes() else "labels/0.txt"))
    return in_any_way(partial(boxes, home, ""), partial(boxes, home, "masks"))


def boxes(spec: Path, marks: str) -> None:
    """Read images with boxes, and draw the masks of objects."""
    from ft.data import open_boxes
    from ft.data.sources.boxes.outlines import masks_of

    for sample in open_boxes(str(spec), marks=marks).train:
        list(masks_of(sample.label))


def texts(path: Path) -> Outcome:
    """Read texts with labels of every kind: JSON lines, CoNLL's, or a CSV."""
    from ft.data.sources.texts import open_texts

    content = path.read_bytes()
    named = path.with_suffix(".jsonl" if content[:1] == b"{" else ".conll" if b" B-" in content else ".csv")
    path.rename(named)
    return in_any_way(*(partial(open_texts, str(named), labels=kind) for kind in ("either", "tags", "numbers", "none")))


def tokenizer(path: Path) -> Outcome:
    """Open a tokenizer.json and make tokens, which the network knows all."""
    from ft.data.text import open_tokenizer

    named = path.with_name("tokenizer.json")
    path.rename(named)
    opened = open_tokenizer([named], architecture="bert")
    opened.require_fits(60, 2)
    for tokens in (opened.encode(["a b", "ab c"], max_length=8), opened.encode(["a"], ["b c"], max_length=8)):
        assert 0 <= tokens.ids.min() <= tokens.ids.max() < 60, tokens.ids
        assert 0 <= tokens.types.min() <= tokens.types.max() < 2, tokens.types
    opened.encode_words([["a", "b"]], max_length=8)
    return "read"


def config(path: Path) -> Outcome:
    """Read a config.json into the card of a network."""
    from ft.zoo import find_card

    path.rename(path.with_name("config.json"))
    card = find_card(str(path.parent))
    assert card.parameters > 0
    assert len(card.stages) < 10_000
    return "read"


def in_any_way(*ways: Callable[[], object]) -> Outcome:
    """Say that a file is read where it is in one way at least; else raise the first refusal."""
    refused = []
    for way in ways:
        try:
            way()
        except UserError as error:
            require_line(str(error))
            refused.append(error)
    if len(refused) == len(ways):
        raise refused[0]
    return "read"


def require_line(text: str) -> None:
    """Raise AssertionError where a message would not be one line on a terminal."""
    assert text.isprintable(), ascii(text)


READERS: dict[str, Callable[[Path], Outcome]] = {
    "pth": weights,
    "keras": keras,
    "safetensors": weights,
    "yaml": yaml,
    "csv": csv,
    "image": image,
    "coco": coco,
    "voc": voc,
    "yolo": yolo,
    "texts": texts,
    "tokenizer": tokenizer,
    "config": config,
}
