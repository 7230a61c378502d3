"""Checking what left the archive: exports, bags, backups, and single files of JSON Lines or SQLite."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.export.agreement import check_agreement, recorded_count
from canvas_archive.export.backup import DATABASE, UNFINISHED, open_copy, read_record
from canvas_archive.export.bag import PAYLOAD
from canvas_archive.export.bag_check import check_bag
from canvas_archive.export.checks import (
    MOST_ITEMS,
    Check,
    check_completeness,
    check_foreign,
    findings,
    recorded_state,
)
from canvas_archive.export.destination import RECORD as EXPORT
from canvas_archive.export.fleet_list import check_list, is_list, packages_of
from canvas_archive.export.formats import format_for
from canvas_archive.export.jsonl import encode_completion
from canvas_archive.export.listing import Listing
from canvas_archive.export.manifest import MANIFEST, compare, read_manifest, walk
from canvas_archive.export.receipts_check import check_rows, exported_receipts
from canvas_archive.export.signatures import check_bag_signatures
from canvas_archive.export.sqlite_reader import check_database
from canvas_archive.signing.stored import NOBODY, Trust
from canvas_archive.store.connection import schema_version
from canvas_archive.store.migrations import known_version
from canvas_archive.store.private import open_regular, read_regular, require_regular

_LONGEST_LINE = 256 << 20
_MOST_RECORD = 16 << 20


def verify_path(path: Path, trust: Trust = NOBODY) -> Iterator[Check]:
    """Yield the checks of an export, a bag, a backup, a ``.jsonl`` or ``.db`` file, or a list of packages.

    ``trust`` says whose signatures and time stamps prove anything.

    Raises BadInput when it is none of these.
    """
    given, path = path, path.resolve()  # the user may name a link; a link inside is not followed
    if path.is_file() and path.suffix.lower() == ".jsonl":
        yield from check_jsonl(path, alone=True)
    elif path.is_file() and format_for(path) == "sqlite":
        yield from check_database(path)
    elif os.path.lexists(path / "bagit.txt") or os.path.lexists(path / "manifest-sha512.txt"):
        yield from check_bag(path)
        yield from check_bag_signatures(path, trust)
        yield from _check_content(path / PAYLOAD, path / MANIFEST)
    elif os.path.lexists(path / MANIFEST):
        yield from check_manifest(path)
        yield from _check_content(path, path / MANIFEST)
    elif is_list(path):
        yield from check_list(path, trust)
        for name in packages_of(path):
            yield check_package(path / name, trust)
    else:
        raise BadInput(f"{given} is no export, bag or backup: it has no {MANIFEST}.")


def check_package(path: Path, trust: Trust) -> Check:
    """Check one package of many: a line for all of its checks, and what is wrong with it."""
    if is_list(path):
        return Check(path.name, False, "is a list of packages, not a package")
    try:
        return summed_up(path.name, verify_path(path, trust))
    except BadInput as error:
        return Check(path.name, False, str(error))


def summed_up(name: str, checks: Iterable[Check]) -> Check:
    """Return one check that stands for many."""
    count, bad, unfinished = 0, [], False
    for check in checks:
        count += 1
        unfinished = unfinished or check.unfinished
        if not check.ok:
            bad.append(check)
    items = [f"{check.name}: {item}" for check in bad for item in check.items or (check.detail,)]
    names = ", ".join(check.name for check in bad)
    whole = findings(name, items, f"{count} check{'' if count == 1 else 's'}", f"not verified: {names}")
    return replace(whole, unfinished=unfinished)


def _check_content(folder: Path, manifest: Path) -> Iterator[Check]:
    """Yield what an export or a backup says of itself, beyond the hashes of its files."""
    lines = folder / "conversations.jsonl"
    if os.path.lexists(lines):
        yield from check_jsonl(lines)
    try:
        if os.path.lexists(folder / EXPORT):
            record = json.loads(read_regular(folder / EXPORT, _MOST_RECORD))
            yield from _check_messages(folder, record, manifest)
            yield recorded_state(record)
        elif (record := read_record(folder)) is not None:
            yield _state_of_backup(folder, str(record.get("database")))
    except (OSError, ValueError, RecursionError, sqlite3.DatabaseError) as error:
        yield Check("collection", False, f"what is said of the collection cannot be read ({error})")


def _check_messages(folder: Path, record: object, manifest: Path) -> Iterator[Check]:
    """Yield what the formats of an export, and its receipts, say of the same messages."""
    receipts = exported_receipts(folder, record)
    if receipts is None:
        yield from check_agreement(folder, recorded_count(record), manifest)
        return
    with closing(receipts):
        yield receipts.check
        yield from check_rows(folder, receipts)
        yield from check_agreement(folder, recorded_count(record), manifest, receipts)


def _state_of_backup(folder: Path, name: str) -> Check:
    """Return how complete the collection is that a backup was made of. Its database is read, not trusted."""
    if not DATABASE(name):
        return Check("completeness", False, f"{name!r} is not the name of a backup's database")
    require_regular(folder / name)
    with closing(open_copy(folder / name)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        if schema_version(db) != known_version():
            return Check("completeness", True, "not looked at: another version made this backup")
        return check_completeness(db)


def check_manifest(folder: Path) -> Iterator[Check]:
    """Compare a folder with its list of SHA-256 hashes."""
    foreign: list[str] = []
    notes: list[str] = []
    with closing(Listing()) as listing:
        try:
            for value, name in read_manifest(folder / MANIFEST):
                listing.add(name, "sha256", value)
            listing.see(name for name in walk(folder) if name != MANIFEST)
            # Where the next backup was begun and did not come to its end, this one is still whole.
            begun = os.path.lexists(folder / UNFINISHED)
            items = [] if begun else [f"{path}: not in the manifest" for path in listing.unlisted()]
            items += compare(folder, listing)
            foreign, notes = list(listing.foreign()), list(islice(listing.renamed(), MOST_ITEMS))
        except (OSError, ValueError) as error:
            items = [f"{MANIFEST}: {error}"]
    check = findings(
        "files", items, "every file is as it was written", "{count} files are missing, new or changed"
    )
    yield replace(check, items=tuple(notes)) if check.ok else check
    if foreign:
        yield check_foreign(foreign)


def check_jsonl(path: Path, *, alone: bool = False) -> Iterator[Check]:
    """Compare a JSON Lines export with its completion record. Of one ``alone``, say how complete it is."""
    digest = hashlib.sha256()
    conversations = messages = 0
    last = b""
    problem: str | None = None
    record: object = None
    try:
        with open_regular(path) as file:
            for line in iter(partial(file.readline, _LONGEST_LINE), b""):
                if len(line) == _LONGEST_LINE:
                    raise ValueError(f"a line has {_LONGEST_LINE:,} bytes or more")
                if last:
                    digest.update(last)
                    conversations += 1
                    messages += len(json.loads(last)["messages"])
                last = line
        record = json.loads(last)
        if not isinstance(record, dict):
            raise TypeError("its last line is no record")
        described = {name: value for name, value in record.items() if name != "record_sha256"}
        if record["type"] != "completion":
            problem = "the completion record is missing: the file was cut off"
        elif record["sha256"] != digest.hexdigest():
            problem = "the file was changed (its SHA-256 is not the recorded one)"
        elif encode_completion(described) != last:
            problem = "the completion record was changed"
        elif (record["conversations"], record["messages"]) != (conversations, messages):
            problem = (
                f"it holds {conversations} conversations and {messages} messages, not as many as recorded"
            )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"it cannot be read ({type(error).__name__}: {error})"
    items = [f"{path.name}: {problem}"] if problem else []
    yield findings(
        "jsonl",
        items,
        f"{messages:,} messages in {conversations:,} conversations",
        "the file is not as written",
    )
    if alone and not problem:
        yield recorded_state(record)
