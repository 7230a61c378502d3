"""Lists of files with their hashes, as ``sha256sum`` and BagIt write them, and checking a folder by one.

One line per file: the hash, two spaces, the path with ``/``. ``sha256sum -c`` reads such a list.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from canvas_archive.export.listing import Listing
from canvas_archive.store.private import open_regular

Item = TypeVar("Item")
Result = TypeVar("Result")

MANIFEST = "manifest-sha256.txt"
_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16
_AT_ONCE = 4


def walk(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all files below ``folder``, with ``/``, in one order everywhere."""
    above = [(prefix, iter(_entries(folder)))]  # no recursion: folders of strangers may be any number deep
    while above:
        lead, entries = above[-1]
        entry = next(entries, None)
        if entry is None:
            above.pop()
        elif entry.is_dir(follow_symlinks=False):
            above.append((f"{lead}{entry.name}/", iter(_entries(entry.path))))
        else:
            yield f"{lead}{entry.name}"


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def hash_file(
    path: Path,
    algorithms: tuple[str, ...] = ("sha256",),
    *,
    below: Path | None = None,
    stop: Event | None = None,
) -> tuple[str, ...]:
    """Return the file's hashes by the given algorithms, read once.

    Raises UnusableFile for a link or no file (see ``open_regular`` for ``below``), InterruptedError once
    ``stop`` is set.
    """
    digests = [hashlib.new(name) for name in algorithms]
    with open_regular(path, below=below) as file:
        while chunk := file.read(_CHUNK):
            if stop is not None and stop.is_set():
                raise InterruptedError
            for digest in digests:
                digest.update(chunk)
    return tuple(digest.hexdigest() for digest in digests)


def hash_files(
    folder: Path, paths: Iterable[str], algorithms: tuple[str, ...] = ("sha256",)
) -> Iterator[tuple[str, tuple[str, ...] | OSError]]:
    """Yield each path with its hashes, in the given order, a few at a time in parallel.

    A file that cannot be read yields its error instead. Memory does not grow with the number of files.
    """

    def one(path: str, stop: Event) -> tuple[str, ...] | OSError:
        try:
            return hash_file(folder / path, algorithms, below=folder, stop=stop)
        except OSError as error:
            return error

    yield from in_parallel(one, paths, _AT_ONCE)


def in_parallel(
    work: Callable[[Item, Event], Result], items: Iterable[Item], jobs: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with what ``work`` makes of it, in the given order, ``jobs`` at a time.

    After an interruption nothing is begun, and ``work`` is asked to end by the event that it gets.
    """
    stop = Event()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item, stop)))
                if len(waiting) >= 16 * jobs:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            stop.set()
            for _, future in waiting:
                future.cancel()


def write_manifests(
    folder: Path,
    paths: Iterable[str],
    targets: dict[str, Path],
    *,
    below: Path | None = None,
) -> tuple[int, int]:
    """Hash files below ``folder`` and write one list per algorithm; return how many bytes and files.

    ``targets`` maps an algorithm to its list. Paths are written relative to ``below``, by default ``folder``.
    """
    lead = "" if below is None else folder.relative_to(below).as_posix() + "/"
    size = count = 0
    lists = [target.open("w", encoding="utf-8", newline="\n") for target in targets.values()]
    try:
        for path, hashes in hash_files(folder, paths, tuple(targets)):
            if isinstance(hashes, OSError):
                raise hashes
            for file, value in zip(lists, hashes, strict=True):
                file.write(f"{value}  {lead}{path}\n")
            size += (folder / path).stat().st_size
            count += 1
    finally:
        for file in lists:
            file.close()
    return size, count


def read_manifest(path: Path) -> Iterator[tuple[str, str]]:
    """Yield hash and path of every line. Raises ValueError for a line that is none or leads elsewhere."""
    with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE), ""), start=1):
            value, separator, name = line.rstrip("\r\n").partition("  ")
            parts = name.split("/")
            wrong = not separator or not value or not name or ".." in parts or name.startswith("/")
            if wrong or len(line) == _LONGEST_LINE or "\0" in name:
                raise ValueError(f"line {number} of {path.name} is not a hash and a path")
            yield value.lower(), name


def compare(folder: Path, listing: Listing) -> Iterator[str]:
    """Yield a sentence for every listed file that is missing or was changed.

    Where a file is listed more than once, any of its SHA-256 hashes will do.
    """
    for path in listing.missing():
        yield f"{path}: missing"
    places = listing.places()
    paths = (found for _, found in listing.places())
    for (path, _), (_, hashes) in zip(places, hash_files(folder, paths), strict=True):
        if isinstance(hashes, OSError):
            yield f"{path}: cannot be read ({hashes.strerror})"
        elif hashes[0] not in [value for _, value in listing.hashes(path)]:
            yield f"{path}: changed (its SHA-256 is not the recorded one)"
