"""Signing bags and lists of bags, and checking every statement that is kept with them or with an archive."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.export.bag import PAYLOAD
from canvas_archive.export.checks import Check, findings
from canvas_archive.export.custody import CUSTODY
from canvas_archive.export.manifest import hash_file
from canvas_archive.signing.heads import archive_difference
from canvas_archive.signing.statement import Statement
from canvas_archive.signing.stored import Judged, Means, Signed, Trust, judge_all, sign_into
from canvas_archive.store.private import read_regular

_MOST_BYTES = 256 << 20
_LISTS = re.compile(r"(?:tag)?manifest-[a-z0-9_-]{1,20}\.txt")


def sign_bag(folder: Path, means: Means, *, clock: Clock = SYSTEM) -> Signed:
    """Sign a bag of this program: the head that it names, and its manifests. The bag stays as it is.

    Raises BadInput for a folder that is no such bag, and what ``sign_into`` raises.
    """
    means.require()
    canvas, custodian, records, head = _custody_of(folder)
    return sign_into(
        folder, Statement(canvas, iso(clock.now()), custodian, records, head, list_hashes(folder)), means
    )


def sign_bag_quietly(folder: Path, means: Means) -> list[str]:
    """Sign a bag when there is something to sign with; return what to note when that fails."""
    if not means:
        return []
    try:
        signed = sign_bag(folder, means)
    except (ArchiveError, OSError) as error:
        return [f"The bag was not signed. {error}"]
    return [signed.without_stamp] if signed.without_stamp else []


def _custody_of(folder: Path) -> tuple[str, int, int, str]:
    """Return mailbox and head that a bag names. Raises BadInput for anything but a bag of this program."""
    try:
        custody = json.loads(read_regular(folder / PAYLOAD / CUSTODY, _MOST_BYTES))
        custodian, chain = custody["custodian"], custody["chain"]
        return (
            str(custodian["base_url"]), int(custodian["id"]), int(chain["records"]), str(chain["head"])
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(
            f"{folder} is neither an archive nor a bag of this program. Only those have a chain to sign."
        ) from None


def list_hashes(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the manifests of a package with their SHA-256: they bind every file of it."""
    names = sorted(path.name for path in folder.iterdir() if _LISTS.fullmatch(path.name))
    return tuple((name, hash_file(folder / name)[0]) for name in names)


def check_signatures(folder: Path, db: sqlite3.Connection, trust: Trust) -> Iterator[Check]:
    """Check what was signed in an archive: each head must be in its chain."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM evidence_chain").fetchone()
    yield from check_statements(folder, trust, partial(archive_difference, db), f" of {last:,}")


def check_bag_signatures(folder: Path, trust: Trust) -> Iterator[Check]:
    """Check what was signed in a bag: its manifests must be the signed ones."""

    def differs(statement: Statement) -> str | None:
        try:
            named = _custody_of(folder)
        except BadInput:
            return "the bag does not say of which mailbox it is"
        if named != (statement.canvas, statement.custodian, statement.records, statement.head):
            return "it is of another mailbox or another head than the bag"
        return hashes_differ(folder, statement)

    yield from check_statements(folder, trust, differs)


def hashes_differ(folder: Path, statement: Statement) -> str | None:
    """Return which of a package's manifests are not those of a statement; ``None`` when all are."""
    here = dict(list_hashes(folder))
    for name, value in statement.hashes:
        if name not in here:
            return f"{name} was signed and is missing"
        if here[name] != value:
            return f"{name} was changed since it was signed"
    added = sorted(here.keys() - dict(statement.hashes))
    return f"{added[0]} was added since it was signed" if added else None


def check_statements(
    folder: Path, trust: Trust, differs: Callable[[Statement], str | None], of: str = ""
) -> Iterator[Check]:
    """Yield one check of all statements in a folder; none where there are no statements."""
    judged = list(judge_all(folder, trust, differs))
    if not judged:
        return
    bad = [f"{one.name}: {one.problem}" for one in judged if one.problem is not None]
    if bad:
        yield findings("signatures", bad, "", "{count} signed statements do not fit what is here")
        return
    lines = [_line(one, trust) for one in reversed(judged)]
    yield Check("signatures", True, _proven(judged, of), tuple(lines))


def _proven(judged: list[Judged], of: str) -> str:
    """Return since when what is proven by whom: only by a certificate and a key that the user trusts."""
    count = f"{len(judged):,} statement{'' if len(judged) == 1 else 's'} fit{'s' if len(judged) == 1 else ''}"
    parts = []
    stamped = [(one.statement, one.stamp) for one in judged if one.stamp is not None and one.stamp.trusted]
    if stamped:
        newest, stamp = max(stamped, key=lambda one: (one[0] and one[0].records) or 0)
        parts.append(f"{_content(newest, of)} existed not later than {stamp.said}")
    signers = {one.signature.principal for one in judged if one.signature is not None}
    known = sorted(name for name in signers if name is not None)
    parts += [f"signed by {name}" for name in known[:3]]
    if not stamped and not known:
        parts.append("nothing is proven without --allowed-signers or --timestamp-ca of somebody you trust")
    elif not stamped:
        parts.append("no time is proven")
    return "; ".join((count, *parts))


def _content(statement: Statement | None, of: str) -> str:
    if statement is None or statement.records is None:
        return "the list"
    return f"what the first {statement.records:,}{of} records hold"


def _line(one: Judged, trust: Trust) -> str:
    """Return what one statement is worth, as one line."""
    parts = list(one.unchecked)
    if one.signature is not None:
        key = one.signature.key or "a key"
        if one.signature.principal is not None:
            parts.append(f"signed by {one.signature.principal} ({key})")
        else:
            where = f"not in {trust.signers}" if trust.signers else "no --allowed-signers was given"
            parts.append(f"signed by an unknown key, {key} ({where})")
    if one.stamp is not None:
        if one.stamp.trusted:
            parts.append(f"not later than {one.stamp.said}")
        else:
            where = f"not in {trust.authorities}" if trust.authorities else "no --timestamp-ca was given"
            parts.append(f"a time stamp says {one.stamp.said}, which is not proven ({where})")
    return f"{one.name}: {'; '.join(parts)}"
