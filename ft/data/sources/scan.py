"""Every image of a data set decoded once, in threads: which of them cannot be used, and why.

Results come in the order of the images, and only a few images are in memory at once, however many there are.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from ft.data.images.decode import BadImage, decode
from ft.data.images.preprocess import resized_size
from ft.data.sources.listing import Entry, Listing, labels_in
from ft.data.sources.policy import Policy, left_out
from ft.data.sources.text import Text
from ft.errors import DataError
from ft.system.progress import counting

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4  # images in the making, or made and not yet taken, for each thread


def usable(listing: Listing, policy: Policy, where: str) -> tuple[Listing, dict[str, BadImage]]:
    """Return the listing without the images that cannot be used, and these, where the policy skips any."""
    if policy.on_bad_image == "error":
        return listing, {}
    bad = find_bad(listing.entries, policy)
    if not bad:
        return listing, bad
    told = left_out(list(bad.items()), len(listing.entries), policy, where=where, thing="image")
    kept = [entry for entry in listing.entries if entry.name not in bad]
    folders = listing.folders | labels_in(entry for entry in listing.entries if entry.learns)
    return replace(listing, entries=kept, folders=folders, notes=[*listing.notes, *told]), bad


def find_bad(entries: Sequence[Entry], policy: Policy) -> dict[str, BadImage]:
    """Return what is wrong with the images that cannot be decoded or resized, by name."""

    def work(entry: Entry) -> BadImage | None:
        return fault_of(entry, policy.max_pixels, policy.short_side)

    faults = scan(entries, work, workers=policy.workers, quiet=policy.quiet)
    return {entry.name: fault for entry, fault in zip(entries, faults, strict=True) if fault}


def fault_of(entry: Entry, max_pixels: int, short_side: int | None) -> BadImage | None:
    """Return what is wrong with one image, None where it can be used."""
    assert not isinstance(entry.source, Text), "a text is looked at where it is found"
    try:
        height, width = decode(entry.source, max_pixels=max_pixels).shape[:2]
        require_width(height, width, short_side)
    except BadImage as fault:
        return fault
    return None


def require_width(height: int, width: int, short_side: int | None) -> None:
    """Raise BadImage where an image is too narrow to be resized so that its short side has `short_side` pixels."""
    try:
        if short_side is not None:
            resized_size(height, width, short_side)
    except DataError as error:
        raise BadImage("narrow", str(error)) from None


def scan(
    items: Sequence[Item], work: Callable[[Item], Result], *, workers: int, quiet: bool = False, title: str = "checking"
) -> list[Result]:
    """Return work(item) of each item in order, computed in threads, with a progress bar."""
    with counting(title, len(items), quiet=quiet) as count, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of damage that they get over; what they do not is reported
        results = []
        for result in in_threads(items, work, workers):
            count(1)
            results.append(result)
        return results


def in_threads(items: Iterable[Item], work: Callable[[Item], Result], workers: int) -> Iterator[Result]:
    """Yield work(item) of each item in order, at most `AHEAD` items a thread under way."""
    if not workers:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ft-scan")
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
