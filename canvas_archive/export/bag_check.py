"""Checking a bag as RFC 8493 and the drafts before it ask: versions 0.93 to 1.0, any algorithm Python has.

A bag may come from anybody. No link is followed, nothing outside of the bag is read, nothing is fetched, and
memory does not grow with the number of files: what the manifests list goes into a temporary database.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from canvas_archive.export.bag import PAYLOAD
from canvas_archive.export.checks import MOST_ITEMS, Check, check_foreign
from canvas_archive.export.listing import Listing, is_foreign
from canvas_archive.export.manifest import hash_files, walk
from canvas_archive.store.private import open_regular, read_regular, require_folder

OLDEST, NEWEST = (0, 93), (1, 0)
_MOST_BYTES = 1 << 20
_LONGEST_LINE = 1 << 16
_MOST_NAMED = 20
_VERSION = re.compile(r"BagIt-Version: ([0-9]{1,4})\.([0-9]{1,4})[ \t]{0,9}")
_ENCODING = re.compile(r"Tag-File-Character-Encoding: ([A-Za-z0-9._:-]{1,40})[ \t]{0,9}")
_OXUM = re.compile(r"Payload-Oxum[ \t]{0,9}:[ \t]{0,9}([0-9]{1,18})\.([0-9]{1,18})[ \t]{0,9}")
_ENTRY = re.compile(r"([0-9A-Fa-f]{1,256})[ \t]{1,9}\*?(.{1,60000})")
_FETCH = re.compile(r"\S{1,60000}[ \t]{1,9}(?:[0-9]{1,18}|-)[ \t]{1,9}(.{1,60000})")
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9_-]{1,20})\.txt")
_ESCAPES = {"%0A": "\n", "%0D": "\r", "%25": "%"}
_ESCAPE = re.compile("%0A|%0D|%25", re.IGNORECASE)
_CODECS = ("utf-8", "utf-16", "utf-32", "ascii", "cp1252", "iso8859-")
"""Encodings that are tables or Unicode's own: Python's other codecs are not for text from strangers."""


@dataclass(slots=True)
class _Bag:
    """What is known of a bag while it is checked; ``problems`` by the name of the check they belong to."""

    folder: Path
    version: tuple[int, int] = NEWEST
    encoding: str = "utf-8"
    problems: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def fail(self, check: str, item: str) -> None:
        """Note what is wrong; after the first thousand of a check they are counted."""
        self.counts[check] = self.counts.get(check, 0) + 1
        if self.counts[check] <= MOST_ITEMS:
            self.problems.setdefault(check, []).append(item)

    def note(self, sentence: str) -> None:
        """Note what is odd and allowed."""
        if len(self.notes) < _MOST_NAMED:
            self.notes.append(sentence)

    def finding(self, check: str, good: str, bad: str) -> Check:
        """Return a check with what was noted under its name."""
        items, count = self.problems.get(check, []), self.counts.get(check, 0)
        if not count:
            return Check(check, True, good)
        more = [f"and {count - len(items):,} more"] if count > len(items) else []
        return Check(check, False, bad.format(count=f"{count:,}"), (*items, *more))


def check_bag(folder: Path) -> Iterator[Check]:
    """Yield the checks of a bag: its declaration, and each of its manifests. Nothing is changed."""
    bag = _Bag(folder)
    _read_declaration(bag)
    major, minor = bag.version
    yield bag.finding("bag declaration", f"BagIt {major}.{minor}", "this is no valid bag")
    manifests = _manifests(bag)
    for tag in (False, True):
        algorithms = tuple(sorted(name for is_tag, name in manifests if is_tag is tag))
        with closing(Listing()) as listing:
            for algorithm in algorithms:
                _read_manifest(bag, listing, algorithm, tag=tag)
            _check_present(bag, listing, algorithms, tag=tag)
            _check_hashes(bag, listing, algorithms, tag=tag)
            if not tag:
                _check_info(bag, listing)
        for algorithm in algorithms:
            kind = "tag" if tag else "payload"
            yield bag.finding(
                _check_name(algorithm, tag=tag),
                f"every {kind} file is as it was {'written' if tag else 'collected'}",
                f"{{count}} {kind} files are missing, new or changed",
            )
    _check_fetch(bag)
    yield bag.finding("bag", "; ".join(bag.notes) or "complete", "the bag is not what it says of itself")
    if bag.foreign:
        yield check_foreign(bag.foreign, bag=True)


def _check_name(algorithm: str, *, tag: bool) -> str:
    return f"{'tags' if tag else 'payload'} {algorithm}"


# -- the declaration ---------------------------------------------------------------------------------------


def _read_declaration(bag: _Bag) -> None:
    """Read the version and the encoding of the other tag files; note what is wrong with them."""
    try:
        text = read_regular(bag.folder / "bagit.txt", _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        bag.fail("bag declaration", f"bagit.txt: {error}")
        return
    lines = text.splitlines()
    version = _VERSION.fullmatch(lines[0]) if lines else None
    encoding = _ENCODING.fullmatch(lines[1]) if len(lines) > 1 else None
    if version is None or encoding is None or len(lines) > 2:
        bag.fail("bag declaration", "bagit.txt: not the two lines with version and encoding that a bag has")
        return
    bag.version = int(version[1]), int(version[2])
    if not OLDEST <= bag.version <= NEWEST or (bag.version[0] == 0 and len(version[2]) != 2):
        bag.fail("bag declaration", f"bagit.txt: version {version[1]}.{version[2]} is not one of 0.93 to 1.0")
    try:
        bag.encoding = codecs.lookup(encoding[1]).name
    except LookupError:
        bag.encoding = ""
    if not bag.encoding.startswith(_CODECS):
        bag.fail("bag declaration", f"bagit.txt: the encoding {encoding[1]} is not one of a bag's tag files")
        bag.encoding = "utf-8"


# -- manifests ---------------------------------------------------------------------------------------------


def _manifests(bag: _Bag) -> set[tuple[bool, str]]:
    """Return the manifests: whether each is of tag files, and the algorithm that its name has."""
    found = set()
    try:
        names = sorted(entry.name for entry in os.scandir(bag.folder))
    except OSError as error:
        bag.fail("bag", str(error))
        names = []
    for name in names:
        match = _MANIFEST.fullmatch(name)
        if match is None:
            continue
        if _hash_name(match[2]) is None:
            bag.fail("bag", f"{name}: its algorithm is not known here, so it cannot be checked")
        else:
            found.add((bool(match[1]), match[2]))
    if not any(not tag for tag, _ in found):
        bag.fail("bag", "there is no payload manifest (manifest-….txt)")
    return found


def _hash_name(algorithm: str) -> str | None:
    """Return Python's name of an algorithm; ``None`` where it has none with a hash of one length."""
    plain = algorithm.replace("_", "-")
    for name in (plain.replace("-", ""), plain.replace("-", "_")):
        if name in hashlib.algorithms_guaranteed and not name.startswith("shake"):
            return name
    return None


def _read_manifest(bag: _Bag, listing: Listing, algorithm: str, *, tag: bool) -> None:
    """List what a manifest lists; note the lines that a manifest of this version may not have."""
    check = _check_name(algorithm, tag=tag)
    name = f"{'tag' if tag else ''}manifest-{algorithm}.txt"
    length = hashlib.new(_hash_name(algorithm) or "").digest_size * 2
    try:
        for number, line in _lines(bag, name):
            match = _ENTRY.fullmatch(line)
            if match is None or len(match[1]) != length:
                bag.fail(check, f"line {number} of {name} is not a hash and a path")
                continue
            path = _path_of(bag, match[2])
            if path is None or path.startswith(f"{PAYLOAD}/") is tag:
                bag.fail(check, f"line {number} of {name} names a file out of its place: {match[2]!r}")
                continue
            if listing.add(path, algorithm, match[1].lower()):
                continue
            if bag.version >= (1, 0):
                bag.fail(check, f"{path}: listed twice")
            else:
                bag.note(f"{path} is listed twice")
    except (OSError, ValueError) as error:
        bag.fail(check, f"{name}: {error}")
    for path in listing.contradictions(algorithm):
        bag.fail(check, f"{path}: listed twice, with different hashes")


def _lines(bag: _Bag, name: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a tag file that is not empty. Raises ValueError for no text."""
    with io.TextIOWrapper(open_regular(bag.folder / name), encoding=bag.encoding, newline=None) as file:
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE), ""), start=1):
            if len(line) == _LONGEST_LINE:
                raise ValueError(f"line {number} is longer than a line of such a file")
            if line.strip():
                yield number, line.rstrip("\r\n")


def _path_of(bag: _Bag, text: str) -> str | None:
    """Return a listed path; ``None`` for one that leads elsewhere."""
    if bag.version >= (1, 0):
        text = _ESCAPE.sub(lambda match: _ESCAPES[match[0].upper()], text)
    while text.startswith("./"):
        text = text[2:]
    parts = text.split("/")
    if "\0" in text or any(part in ("", ".", "..") for part in parts) or parts[0].startswith("~"):
        return None
    return text


# -- files -------------------------------------------------------------------------------------------------


def _files(bag: _Bag, *, tag: bool) -> Iterator[str]:
    """Yield the paths of the files that such manifests list. Raises OSError where they cannot be read."""
    if not tag:
        require_folder(bag.folder / PAYLOAD)
        yield from walk(bag.folder / PAYLOAD, f"{PAYLOAD}/")
        return
    for entry in sorted(os.scandir(bag.folder), key=lambda entry: entry.name):
        if not entry.is_dir(follow_symlinks=False):
            yield entry.name
        elif entry.name != PAYLOAD:
            yield from walk(Path(entry.path), f"{entry.name}/")


def _check_present(bag: _Bag, listing: Listing, algorithms: tuple[str, ...], *, tag: bool) -> None:
    """Note the payload files that a manifest does not list, as the version asks; of tag files it need not."""
    try:
        listing.see(_files(bag, tag=tag))
    except OSError as error:
        for check in [_check_name(one, tag=tag) for one in algorithms] or ["bag"]:
            bag.fail(check, str(error))
    bag.foreign += islice(listing.foreign(), MOST_ITEMS)
    for path in islice(listing.renamed(), _MOST_NAMED):
        bag.note(path)
    if tag:
        others = [path for path in listing.unlisted() if not path.startswith("tagmanifest-")]
        if algorithms and others:
            bag.note(f"{len(others):,} files beside the payload are in no tag manifest: {others[0]}")
        return
    for algorithm in algorithms:
        for path in listing.unlisted(algorithm if bag.version >= (1, 0) else None):
            bag.fail(_check_name(algorithm, tag=False), f"{path}: not in manifest-{algorithm}.txt")


def _check_hashes(bag: _Bag, listing: Listing, algorithms: tuple[str, ...], *, tag: bool) -> None:
    """Read every listed file once, and note those that are missing or not as listed."""
    for path in listing.missing():
        for algorithm in {name for name, _ in listing.hashes(path)}:
            bag.fail(_check_name(algorithm, tag=tag), f"{path}: missing")
    python_names = tuple(_hash_name(one) or "" for one in algorithms)
    places = listing.places()
    paths = (found for _, found in listing.places())
    for (path, _), (_, hashes) in zip(places, hash_files(bag.folder, paths, python_names), strict=True):
        for algorithm, value in listing.hashes(path):
            check = _check_name(algorithm, tag=tag)
            if isinstance(hashes, OSError):
                bag.fail(check, f"{path}: cannot be read ({hashes.strerror or hashes})")
            elif hashes[algorithms.index(algorithm)] != value:
                bag.fail(check, f"{path}: changed (its {_shown(algorithm)} is not the recorded one)")


def _shown(algorithm: str) -> str:
    return re.sub("^SHA(?=[0-9])", "SHA-", algorithm.upper())


# -- what else a bag says of itself ------------------------------------------------------------------------


def _check_info(bag: _Bag, listing: Listing) -> None:
    """Compare size and number of the payload's files with what the description says."""
    name = "package-info.txt" if bag.version < (0, 96) else "bag-info.txt"
    if not os.path.lexists(bag.folder / name):
        return
    try:
        stated = [match for _, line in _lines(bag, name) if (match := _OXUM.fullmatch(line))]
    except (OSError, ValueError) as error:
        bag.fail("bag", f"{name}: {error}")
        return
    if not stated:
        return
    size = count = 0
    with suppress(OSError):  # noted where the payload was looked through
        for path in _files(bag, tag=False):
            if is_foreign(path) and not listing.hashes(path):
                continue
            size += (bag.folder / path).lstat().st_size
            count += 1
    for match in stated:
        if (int(match[1]), int(match[2])) != (size, count):
            bag.fail(
                "bag",
                f"{name}: Payload-Oxum is {match[1]}.{match[2]}; there are {size:,} bytes in {count:,} files",
            )


def _check_fetch(bag: _Bag) -> None:
    """Name the files that the bag leaves to be fetched: what is not here was not checked."""
    if not os.path.lexists(bag.folder / "fetch.txt"):
        return
    try:
        for number, line in _lines(bag, "fetch.txt"):
            match = _FETCH.fullmatch(line)
            path = _path_of(bag, match[1]) if match else None
            if path is None or not path.startswith(f"{PAYLOAD}/"):
                bag.fail("bag", f"line {number} of fetch.txt names no file of the payload")
            elif not os.path.lexists(bag.folder / path):
                bag.fail("bag", f"{path}: to be fetched first; nothing is fetched here")
    except (OSError, ValueError) as error:
        bag.fail("bag", f"fetch.txt: {error}")
