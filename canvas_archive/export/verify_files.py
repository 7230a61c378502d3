"""Checking what left the archive: exports, bags, backups and single JSON Lines files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.export.backup import UNFINISHED
from canvas_archive.export.bag import PAYLOAD
from canvas_archive.export.bag_check import check_bag
from canvas_archive.export.checks import Check, findings
from canvas_archive.export.fleet_list import check_list, is_list, packages_of
from canvas_archive.export.jsonl import encode_completion
from canvas_archive.export.manifest import MANIFEST, compare, read_manifest, walk
from canvas_archive.export.signatures import check_bag_signatures
from canvas_archive.signing.stored import NOBODY, Trust
from canvas_archive.store.private import open_regular

_LONGEST_LINE = 256 << 20


def verify_path(path: Path, trust: Trust = NOBODY) -> Iterator[Check]:
    """Yield the checks of an export, a bag, a backup, a ``.jsonl`` file or a list with its packages.

    ``trust`` says whose signatures and time stamps prove anything.

    Raises BadInput when it is none of these.
    """
    given, path = path, path.resolve()  # the user may name a link; a link inside is not followed
    if path.is_file() and path.suffix.lower() == ".jsonl":
        yield check_jsonl(path)
    elif os.path.lexists(path / "bagit.txt") or os.path.lexists(path / "manifest-sha512.txt"):
        yield from check_bag(path)
        yield from check_bag_signatures(path, trust)
        lines = path / PAYLOAD / "conversations.jsonl"
        if os.path.lexists(lines):
            yield check_jsonl(lines)
    elif os.path.lexists(path / MANIFEST):
        yield check_manifest(path)
        lines = path / "conversations.jsonl"
        if os.path.lexists(lines):
            yield check_jsonl(lines)
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
    count, bad = 0, []
    for check in checks:
        count += 1
        if not check.ok:
            bad.append(check)
    items = [f"{check.name}: {item}" for check in bad for item in check.items or (check.detail,)]
    names = ", ".join(check.name for check in bad)
    return findings(name, items, f"{count} check{'' if count == 1 else 's'}", f"not verified: {names}")


def check_manifest(folder: Path) -> Check:
    """Compare a folder with its list of SHA-256 hashes."""
    try:
        present = (name for name in walk(folder) if name != MANIFEST)
        if os.path.lexists(folder / UNFINISHED):
            # The next backup was begun and did not come to its end: this one is still whole.
            listed = {name for _, name in read_manifest(folder / MANIFEST)}
            present = (name for name in present if name in listed)
        items = list(compare(folder, read_manifest(folder / MANIFEST), present))
    except (OSError, ValueError) as error:
        items = [f"{MANIFEST}: {error}"]
    return findings(
        "files", items, "every file is as it was written", "{count} files are missing, new or changed"
    )


def check_jsonl(path: Path) -> Check:
    """Compare a JSON Lines export with its completion record."""
    digest = hashlib.sha256()
    conversations = messages = 0
    last = b""
    problem: str | None = None
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
    return findings(
        "jsonl",
        items,
        f"{messages:,} messages in {conversations:,} conversations",
        "the file is not as written",
    )
