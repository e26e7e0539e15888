"""What the rows share: a folder of good images to spoil, and what must then happen."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from ft.data import Policy, open_dataset
from ft.data.check.check import check_data


def make_pixels(seed=0, height=24, width=32):
    """Return smooth but lively uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encode(image, kind="PNG", **options):
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes, six good images each."""
    root = tmp_path / "photos"
    for i in range(12):
        path = root / ("cat" if i < 6 else "dog") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(make_pixels(i)))
    return root


@pytest.fixture
def no_plots(monkeypatch):
    """Leave out the curves of a run, which take longer than its training here."""
    monkeypatch.setattr("ft.api.result.plot_curves", lambda *_, **__: None)


@pytest.fixture
def checked(folder):
    """Check the folder and return its findings by kind."""

    def checked(**policy):
        check = check_data(str(folder), policy=Policy(short_side=256, **policy))
        return {finding.kind: finding for finding in check.findings}

    return checked


@pytest.fixture
def reported_and_skipped(folder, checked):
    """Put a file among the good ones: it must be reported as an error, and left out as if it had never been there."""

    def reported_and_skipped(content, *, kind, words, name="cat/bad.jpg", **policy):
        without = open_dataset(str(folder))
        if content is not None:
            (folder / name).write_bytes(content)
        finding = checked(**policy)[kind]
        assert finding.level == "error"
        assert [item[0] for item in finding.items] == [name]
        assert words.lower() in finding.items[0][1].lower()
        skip = Policy(on_bad_image="skip", max_bad_fraction=0.5, short_side=256, **policy)
        data = open_dataset(str(folder), policy=skip)
        assert (data.train, data.val, data.classes) == (without.train, without.val, without.classes)
        assert data.skipped == (name,)
        assert any(f"1 of 13 ({name}: " in note for note in data.notes), data.notes
        os.remove(folder / name)

    return reported_and_skipped
