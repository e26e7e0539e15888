"""Weights from the network into a cache: resumed after a cut, checked by hash before they get their name.

    ~/.cache/ft-parity/weights/NAME         whole and checked
                               NAME.part    what came so far; a later call asks for the rest
                               NAME.lock    held while one process downloads; the others wait and find the file

The hash is known beforehand, where one is published, so neither ETag nor If-Range is needed to tell whether the parts
belong together.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Literal

from ft.errors import WeightsError
from ft.system import files
from ft.weights.read import describe

TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 18
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says so


@dataclass(frozen=True)
class Digest:
    """What a file is checked by: an algorithm of hashlib, and the first digits, or all, of its hexadecimal digest."""

    algorithm: Literal["sha256", "md5"]
    digits: str

    @property
    def is_long_enough(self) -> bool:
        """Whether these are so many hexadecimal digits that no other file has them by chance."""
        return bool(re.fullmatch("[0-9a-f]{32}" if self.algorithm == "md5" else "[0-9a-f]{8,64}", self.digits))

    def is_of(self, path: Path) -> bool:
        """Tell whether a file has this digest."""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest().startswith(self.digits)


def digest_of(sha256: str | None, md5: str | None) -> Digest | None:
    """Return what a file is checked by: the better of what was published, None where nothing was."""
    return Digest("sha256", sha256) if sha256 is not None else Digest("md5", md5) if md5 is not None else None


def fetch(
    url: str,
    *,
    filename: str,
    sha256: str | None = None,
    md5: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the path of the file in the cache, downloading it where it is not there yet.

    sha256: all 64 hexadecimal digits or at least the first 8; md5: all 32, for what is published with no better hash;
    neither for what is published with none, which is taken as it comes and never resumed. cache: default
    `cache_folder()`. Raises WeightsError that names file, URL and reason. A cut download is kept to be resumed; one
    that is not the file is removed.
    """
    digest = digest_of(sha256, md5)
    if not (digest is None or digest.is_long_enough) or not filename or Path(filename).name != filename:
        raise ValueError(f"{digest}, {filename=}: need 8 to 64 hexadecimal digits (32 of md5) and a plain name")
    target = (cache or cache_folder()) / "weights" / filename
    try:
        if is_whole(target, digest):
            return target
        require_safe(url)
        files.make_folder(target.parent)
        with locked(target.with_name(f"{filename}.lock")):
            if not is_whole(target, digest):  # another process may have brought it while this one waited
                part = target.with_name(f"{filename}.part")
                if digest is None:  # nothing would tell whether the rest belongs to what is there
                    part.unlink(missing_ok=True)
                download(url, part, progress)
                require_hash(part, digest)
                files.commit(part, target)
    except (OSError, ValueError, HTTPException, WeightsError) as error:  # ValueError: a URL that cannot be parsed
        reason = "".join(c for c in explain(error) if c.isprintable())  # some of it is the server's words
        raise WeightsError(
            f"cannot get {filename} from {url}: {reason}; fetch it by hand and pass it as --weights FILE"
        ) from None
    return target


def cache_folder() -> Path:
    """Return FT_CACHE, or the folder ft-parity in XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("FT_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ft-parity"


def download(url: str, part: Path, progress: Progress | None) -> None:
    """Bring the rest of a file into `part`, or all of it where the server does not resume."""
    start = part.stat().st_size if part.exists() else 0
    with open_url(url, start) as response:
        if "text/html" in response.headers.get("Content-Type", ""):
            raise WeightsError("a web page came instead (a login or an error page?)")
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 206 and not resumed:
            raise WeightsError(f"the server sent another part than asked for; remove {part} and run again")
        length = response.headers.get("Content-Length", "")
        done = start if resumed else 0
        total = done + int(length) if length.isdecimal() else None
        with open(part, "ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    if total is not None and done < total:
        raise WeightsError(f"the connection ended after {done} of {total} bytes; run again to go on from there")


def open_url(url: str, start: int) -> HTTPResponse:
    """Ask for a file from byte `start` on; from the beginning where the server has nothing there."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.build_opener(SafeRedirects).open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            error.close()
            return open_url(url, 0)
        raise


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the URL itself could have been given."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            require_safe(newurl)
        except WeightsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_safe(url: str) -> None:
    """Raise WeightsError unless the URL is https, or http on this machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise WeightsError(f"{parts.scheme or 'a URL without a scheme'} is not downloaded; expected https")


def is_whole(path: Path, digest: Digest | None) -> bool:
    """Say whether a file is there and has the digest, if one is known."""
    return path.is_file() and (digest is None or digest.is_of(path))


def require_hash(part: Path, digest: Digest | None) -> None:
    """Remove a download that is not the file that was meant, and raise WeightsError."""
    if digest is not None and not digest.is_of(part):
        with open(part, "rb") as file:
            what = describe(file.read(512))
        size = part.stat().st_size
        part.unlink()
        raise WeightsError(
            f"what came has another {digest.algorithm} ({size} bytes, looks like {what}) and was removed"
        )


def explain(error: Exception) -> str:
    """Return the reason of a failed download in words."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    if isinstance(error, TimeoutError):
        return f"no answer for {TIMEOUT_SECONDS} s"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file of its own; it ends with the process, and the file stays, for removing it would race."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def package_file(package: str, pattern: str) -> Path | None:
    """Return the first file that matches a glob pattern inside an installed package, without running the package."""
    if "." in package:
        raise ValueError(f"package={package!r}: a dotted name would import its parent")
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    paths = [path for folder in folders or () for path in Path(folder).glob(pattern) if path.is_file()]
    return min(paths, default=None)
