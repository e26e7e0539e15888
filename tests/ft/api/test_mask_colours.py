"""Masks that are kept in colours are answered in them."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ft.api.session import run_facts
from ft.cli.predict_files import write_pictures
from ft.data import Sample
from ft.recipe import Recipe
from ft.training.job import prepare_job
from ft.training.position import Position

BLUE, RED = (0, 0, 250), (255, 0, 0)


@pytest.mark.parametrize("legend", ["", "ground 0 0 250\ncat 255 0 0\n"])
def test_the_palette_of_a_run_is_that_of_its_data(legend, fake_wing, tmp_path):
    data, square = tmp_path / "data", np.array([BLUE, RED], np.uint8)[np.eye(16, dtype=int)]
    for i in range(3):
        for kind in ("images", "masks"):
            (data / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(square).save(data / kind / f"{i}.png")
    if legend:
        (data / "classes.txt").write_text(legend)
    job = prepare_job(Recipe(model="lraspp_mobilenet_v2", weights="none", data=str(data), batch_size=2))
    start: Any = SimpleNamespace(job=job, backend="torch", position=Position(), saved=None, folder=tmp_path)
    facts = run_facts(start, "cpu")
    answer: Any = SimpleNamespace(mask=np.eye(16, dtype=np.uint8))
    flags = Namespace(masks=str(tmp_path / "m"), overlays=str(tmp_path / "o"))
    black = Sample("a", 0, np.zeros((16, 16, 3), np.uint8))
    write_pictures("a", black, answer, facts, flags)
    mask, over = Image.open(tmp_path / "m/a.png"), np.asarray(Image.open(tmp_path / "o/a.jpg")).astype(int)
    assert (mask.mode, np.asarray(mask).tolist()) == ("P", np.eye(16, dtype=int).tolist())
    assert np.array_equal(np.asarray(mask.convert("RGB")), square)
    assert over[..., 0].max() > 60 > over[..., 1:].max(), "red on the diagonal, and class 0 leaves the picture"
