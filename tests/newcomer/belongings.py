"""What somebody who reads the README has at hand: photos, reviews, two models, and this project, installed."""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).parents[2]
MODELS = """
def make_torch():
    from torch import nn

    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), head)


def make_keras():
    from keras import Input, Sequential, layers

    body = [layers.Conv2D(8, 3), layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(10)]
    return Sequential([Input((32, 32, 3)), *body])
"""
FILMS = "the film was", "what a story:", "we found the cast", "my whole family thought the end was", "the music is"
WORDS = ("great", "good"), ("fine", "good"), ("a joy", "good"), ("dull", "bad"), ("awful", "bad"), ("a bore", "bad")


def lay_out(folder: Path) -> None:
    """Put all of it into a folder."""
    rng = np.random.default_rng(0)
    for split, count in (("photos/train", 24), ("photos/val", 8), ("photos/test", 4), ("more_photos", 4)):
        for kind in ("cat", "dog"):
            for i in range(count):
                draw(kind, rng, folder / split / kind / f"{i}.jpg")
    for kind in ("cat", "dog"):
        draw(kind, rng, folder / f"{kind}.jpg")
        draw(kind, rng, folder / "new_photos" / "a" / f"{kind}.jpg")
    (folder / "new_photos" / "damaged.jpg").write_bytes(b"\xff\xd8 no image")
    for wordnet_id, kind in (("n02123045", "cat"), ("n02099712", "dog")):
        draw(kind, rng, folder / "photos_by_wordnet_id" / wordnet_id / "0.jpg")
    (folder / "reviews.csv").write_text("text,label\n" + "".join(f"{a} {b},{c}\n" for b, c in WORDS for a in FILMS))
    (folder / "more.csv").write_text("text\na dull film\nwe loved the cast\n")
    (folder / "mymodels.py").write_text(MODELS)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / ".venv").symlink_to(sys.prefix)


def draw(kind: str, rng: np.random.Generator, path: Path) -> None:
    """Draw one with its grain: cats are dark with a light middle, dogs the other way round."""
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    middle = (x**2 + y**2 < rng.uniform(0.2, 0.6))[..., None]
    pixels = np.where(middle == (kind == "cat"), rng.uniform(140, 220, 3), rng.uniform(20, 90, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels + rng.normal(0, 12, (96, 128, 3))).clip(0, 255).astype(np.uint8)).save(path, quality=92)


def environment() -> dict[str, str]:
    """Return the environment once this project is installed and its .venv is activated."""
    paths = {"PATH": [str(Path(sys.executable).parent), os.environ.get("PATH", "")]}
    paths["PYTHONPATH"] = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **{name: os.pathsep.join(parts) for name, parts in paths.items()}}
