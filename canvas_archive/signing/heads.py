"""Signing the head of an archive's chain: when the user says so, and after a sync."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import ArchiveError
from canvas_archive.places import expanded
from canvas_archive.signing.statement import Statement
from canvas_archive.signing.stored import STATEMENT, Means, Signed, sign_into
from canvas_archive.store import Archive, transaction
from canvas_archive.store.chain import GENESIS, chain_head, extend_chain
from canvas_archive.store.config import Config
from canvas_archive.store.folder import SIGNATURES_NAME

# A sync in which nothing arrived appends its run alone: the head before proves the content as well.
_NEWS = "SELECT 1 FROM evidence_chain WHERE seq > ? AND source <> 'sync_runs' LIMIT 1"


def means_of(config: Config) -> Means:
    """Return what an archive's configuration signs with."""
    key = None if config.sign_key is None else expanded(config.sign_key)
    return Means(key, config.timestamp_url)


def sign_archive(folder: Path, means: Means | None = None, *, clock: Clock = SYSTEM) -> Signed:
    """Bring an archive's chain up to date and sign its head; what is not given comes from ``config.toml``.

    Raises BadInput when there is nothing to sign with, and what ``sign_into`` and ``Archive.open`` raise.
    """
    with Archive.open(folder, write=True, clock=clock) as archive:
        config = means_of(archive.config)
        means = means or Means()
        means = Means(means.key or config.key, means.timestamp or config.timestamp, means.may_ask)
        means.require()
        with transaction(archive.db):
            extend_chain(archive.db, clock=clock)
        statement = _of_archive(archive, clock)
    return sign_into(archive.folder, statement, means)


def sign_after_sync(folder: Path, config: Config, *, clock: Clock = SYSTEM) -> list[str]:
    """Sign the head when ``config`` says so and something is new; return what to note when that fails.

    Nothing is raised: the sync has succeeded without it.
    """
    means = means_of(config)
    if not means:
        return []
    try:
        with Archive.open(folder, clock=clock) as archive:
            if not archive.db.execute(_NEWS, (_last_signed(folder),)).fetchone():
                return []
            statement = _of_archive(archive, clock)
        signed = sign_into(folder, statement, means)
    except (ArchiveError, OSError, sqlite3.Error) as error:
        return [f"The head of the chain was not signed. {error}"]
    return [signed.without_stamp] if signed.without_stamp else []


def _last_signed(folder: Path) -> int:
    """Return the number of the last record that was signed; 0 for none."""
    names = (path.name.partition("-")[0] for path in (folder / SIGNATURES_NAME).glob(f"*{STATEMENT}"))
    return max((int(name) for name in names if name.isdecimal() and len(name) < 19), default=0)


def _of_archive(archive: Archive, clock: Clock) -> Statement:
    head = chain_head(archive.db)
    account = archive.account
    return Statement(account.base_url, iso(clock.now()), account.owner_id, head.seq, head.chain)


def archive_difference(db: sqlite3.Connection, statement: Statement) -> str | None:
    """Return what a statement says of an archive that is not so; ``None`` when all of it is."""
    account = db.execute("SELECT base_url, coalesce(as_user_id, user_id) FROM account").fetchone()
    if (statement.canvas, statement.custodian) != tuple(account or ()):
        return f"it is of user {statement.custodian} at {statement.canvas}, another mailbox"
    row = db.execute("SELECT chain FROM evidence_chain WHERE seq = ?", (statement.records,)).fetchone()
    here = GENESIS if statement.records == 0 else row and row[0]
    if statement.head is None or statement.head != here:
        return (
            f"record {statement.records} with the head {statement.head} was signed and is not in the chain: "
            "the history was rewritten since"
        )
    return None
