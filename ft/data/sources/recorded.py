"""The data of a run, found again wherever it lies now: the digest decides, not the path that was typed."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ft.data.sources.dataset import Dataset, data_facts
from ft.errors import DataError, RunError, printable

BUILT_IN = ("digits", "reuters", "scenes")
ABOVE = 4  # folders above a run's own that a relative path is tried from


def place_of(spec: str) -> dict[str, str]:
    """Return the absolute path of a source of data, for a record; nothing for a built-in set."""
    return {} if spec in BUILT_IN else {"path": os.path.abspath(os.path.expanduser(spec))}


def find_again(spec: str, record: Mapping[str, Any], folder: Path, opened: Callable[[str], Dataset]) -> str:
    """Return where the data of the run in `folder` is: the first place whose digest is that of the record.

    Where no place has it, the first one that exists; where none exists, DataError. spec: as it was typed; record: what
    the run wrote down of its data.
    """
    places = places_of(spec, record.get("path"), folder)
    if not places:
        where = f", nor is it {printable(record['path'])}" if "path" in record else ""
        raise DataError(
            f"data '{printable(spec)}' does not exist{where}, which {printable(folder)} was trained on; say where it "
            "is now with --data DIR"
        )
    if len(places) == 1:
        return places[0]
    return next((place for place in places if recorded(partial(opened, place), record)), places[0])


def places_of(spec: str, absolute: str | None, folder: Path) -> list[str]:
    """Return the places that exist: as typed, where it was, and as typed from the folders above the run's."""
    if spec in BUILT_IN:
        return [spec]
    above = [str(parent / spec) for parent in folder.resolve().parents[:ABOVE]]  # an absolute one stays what it is
    places = [place for place in (spec, absolute, *above) if place and os.path.exists(os.path.expanduser(place))]
    unique: dict[str, str] = {}
    for place in places:
        unique.setdefault(os.path.realpath(os.path.expanduser(place)), place)
    return list(unique.values())


def recorded(opened: Callable[[], Dataset], record: Mapping[str, Any]) -> Dataset | None:
    """Return data where it is that of the record, else None; what cannot be opened is not."""
    try:
        dataset = opened()
    except DataError:
        return None
    return dataset if data_facts(dataset)["sha256"] == record.get("sha256") else None


def require_same_data(dataset: Dataset, before: Mapping[str, Any], folder: Path, advice: str) -> None:
    """Raise RunError where the images are not those that the run in `folder` began with."""
    now, name = data_facts(dataset), printable(dataset.name)
    if now["sha256"] == before.get("sha256", now["sha256"]):
        return
    if dataset.test and "test" not in before and before["train"] + before["val"] == images_in(now):
        raise RunError(
            f"{name}: {printable(folder)} began when test images were validated on, now they are left for the end "
            f"({now['train']} training, {now['val']} validation and {now['test']} test images); {advice}"
        )
    same = all(now[split] == before[split] for split in ("train", "val"))
    things, facts = ("texts", "texts or labels") if dataset.texts else ("images", "names or classes")
    other = f", with other {'names, boxes or classes' if dataset.boxes else facts}" if same else ""
    raise RunError(
        f"{name} changed since {printable(folder)} began: {before['train']} + {before['val']} {things} then, "
        f"{now['train']} + {now['val']} now{other}; restore it, {advice}"
    )


def images_in(facts: Mapping[str, Any]) -> int:
    """Return how many images a record of a data set counts, in all splits."""
    return facts["train"] + facts["val"] + facts.get("test", 0)
