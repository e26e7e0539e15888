"""Public names that wait for their first use."""

import importlib


def test_a_submodule_never_hides_the_function_of_its_name(tmp_path, monkeypatch):
    """In whatever order they are asked for: `models.alexnet` is the network, also behind `import models.alexnet`."""
    (tmp_path / "waiting").mkdir()
    lines = "from ft.system.lazy import lazy_names", "HOMES = {'net': 'net'}", "__all__ = [*HOMES]"
    (tmp_path / "waiting/__init__.py").write_text(
        "\n".join([*lines, "__getattr__, __dir__ = lazy_names(__name__, HOMES)\n"])
    )
    (tmp_path / "waiting/net.py").write_text("def net(): return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("waiting.net")
    package = importlib.import_module("waiting")
    assert package.net() == 7
    assert importlib.import_module("waiting.net") is module
