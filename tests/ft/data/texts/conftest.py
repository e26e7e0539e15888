"""What the tests of texts share: files written in one line."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file below tmp_path/data and return its path as a user gives it."""

    def write(text, name="a.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return str(path)

    return write
