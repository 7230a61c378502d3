"""What a fleet remembers: who is on the list, and how the last sync of each ended.

``fleet.json`` in the fleet's folder is the memory, ``fleet.csv`` beside it shows it to a spreadsheet. Both
are written again at every outcome, so they show how far an interrupted run came.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import stat
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from canvas_archive.clock import parse_iso
from canvas_archive.errors import ArchiveError, BadInput, ForeignFolder, NoArchive, WrongAccount
from canvas_archive.places import expanded
from canvas_archive.store import Archive
from canvas_archive.store.cells import cell
from canvas_archive.store.folder import DB_NAME, is_archive
from canvas_archive.store.private import read_regular, require_folder, write_private
from canvas_archive.sync.custodians import ListedCustodian
from canvas_archive.sync.fleet_summaries import Summaries, Summary, summarise

STATE_NAME = "fleet.json"
TABLE_NAME = "fleet.csv"
STATE_VERSION = 1
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class CustodianOutcome:
    """What became of one custodian, in the last run that came to them.

    ``status`` is ``ok``, ``partial`` (some items failed), ``failed``, ``interrupted`` or ``waiting`` (no run
    came to them yet). ``succeeded_at`` is when a sync last ended ``ok`` or ``partial``.
    """

    user_id: int
    folder: str
    name: str | None = None
    status: str = "waiting"
    error: str | None = None
    conversations: int = 0
    new: int = 0
    new_messages: int = 0
    attachments: int = 0
    problems: int = 0
    requests: int = 0
    seconds: float = 0.0
    finished_at: str | None = None
    succeeded_at: str | None = None


class Fleet:
    """The folder of many archives, and its memory."""

    def __init__(self, root: Path) -> None:
        self.root = expanded(root).absolute()
        self._lock = threading.Lock()
        self.base_url: str | None = None
        self.outcomes: dict[int, CustodianOutcome] = {}
        self._load()

    @cached_property
    def summaries(self) -> Summaries:
        """Return the cache of what the archives hold."""
        return Summaries(self.root)

    def summary_of(self, outcome: CustodianOutcome) -> Summary:
        """Return what a custodian's archive holds; it is opened only when its files have changed.

        Raises what ``open_archive`` raises.
        """
        known = self.summaries.get(outcome.folder) if _is_plain(outcome.folder) else None
        if known is not None and (known.base_url, known.owner_id) == (self.base_url, outcome.user_id):
            return known
        before = self.summaries.mark(outcome.folder)
        with self.open_archive(outcome) as archive:
            summary = summarise(archive)
        self.summaries.put(outcome.folder, before, summary)
        return summary

    def summarise_all(self) -> None:
        """Bring the cache up to date with every archive that can be read."""
        for outcome in self.outcomes.values():
            if self.is_collected(outcome):
                with suppress(Exception):  # what is wrong with it shows where it is read
                    self.summary_of(outcome)
        self.summaries.save()

    def _load(self) -> None:
        path = self.root / STATE_NAME
        try:
            document = json.loads(read_regular(path, _MOST_BYTES))
            version = int(document["version"])
            known = {one.name for one in fields(CustodianOutcome)}
            outcomes = [
                CustodianOutcome(**{name: value for name, value in row.items() if name in known})
                for row in document["custodians"]
            ]
            if any(type(one.user_id) is not int or not isinstance(one.folder, str) for one in outcomes):
                raise ValueError("a custodian has no user_id or no folder")
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{path} cannot be read ({error}). It only remembers how syncs ended: remove it, and the "
                "next fleet sync writes it anew."
            ) from None
        if version > STATE_VERSION:
            raise BadInput(f"{path} was written by a newer version of canvas-archive. Upgrade first.")
        self.base_url = document.get("base_url")
        self.outcomes = {outcome.user_id: outcome for outcome in outcomes}

    def expect(self, custodians: Sequence[ListedCustodian]) -> None:
        """Remember who is on the list, so that ``status`` shows also whom no run came to yet."""
        for one in custodians:
            self.outcomes.setdefault(one.user_id, CustodianOutcome(one.user_id, one.folder, one.name))
        with self._lock:
            self._save()

    def record(self, outcome: CustodianOutcome) -> None:
        """Remember an outcome, at once."""
        with self._lock:
            self.outcomes[outcome.user_id] = outcome
            self._save()

    def _save(self) -> None:
        rows = [asdict(outcome) for _, outcome in sorted(self.outcomes.items())]
        document = {"version": STATE_VERSION, "base_url": self.base_url, "custodians": rows}
        text = io.StringIO()
        table = csv.DictWriter(text, [one.name for one in fields(CustodianOutcome)], lineterminator="\r\n")
        table.writeheader()
        table.writerows(
            {name: cell(value) if isinstance(value, str) else value for name, value in row.items()}
            for row in rows
        )
        _write_whole(self.root / STATE_NAME, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        _write_whole(self.root / TABLE_NAME, text.getvalue())

    def open_at(self, base_url: str) -> None:
        """Make the folder and bind it to one Canvas.

        Raises BadInput when it belongs to another one, or cannot be made.
        """
        if self.base_url not in (None, base_url):
            raise BadInput(
                f"{self.root} holds archives of {self.base_url}, not of {base_url}. Name another --root."
            )
        known = self.base_url is not None
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_private(known or not any(self.root.iterdir()))
        except OSError as error:
            raise BadInput(f"{self.root} cannot be made: {error.strerror or error}.") from None
        self.base_url = base_url

    def _make_private(self, ours: bool) -> None:
        """Close the folder to others where it is a fleet's own; warn where it holds other things, too."""
        if os.name != "posix" or not stat.S_IMODE(self.root.stat().st_mode) & 0o077:
            return
        logger = logging.getLogger("canvas_archive.sync")
        if ours:
            self.root.chmod(0o700)
            logger.warning("Others could look into %s. It is private to you now (mode 0700).", self.root)
        else:
            logger.warning("Others can look into %s: make it private with chmod go= %s", self.root, self.root)

    def collected(self) -> list[CustodianOutcome]:
        """Return everyone who has an archive here, or should have one, in the order of their ids.

        Raises BadInput when there is none.
        """
        found = [outcome for _, outcome in sorted(self.outcomes.items()) if self.is_collected(outcome)]
        if not found:
            raise BadInput(
                f"There are no archives of a fleet in {self.root}. Make them with "
                "'canvas-archive fleet sync CUSTODIANS.csv', or name another --root."
            )
        return found

    def strangers(self) -> list[str]:
        """Return the folders in the fleet's own that hold archives of nobody on its list."""
        known = {outcome.folder for outcome in self.outcomes.values()}
        return sorted(
            path.name for path in self.root.iterdir() if path.name not in known and is_archive(path)
        )

    def is_collected(self, outcome: CustodianOutcome) -> bool:
        """Return whether a custodian has an archive, or had one when a sync last succeeded."""
        return bool(outcome.succeeded_at) or os.path.lexists(self.root / outcome.folder / DB_NAME)

    def open_archive(self, outcome: CustodianOutcome) -> Archive:
        """Open the archive of a custodian for reading.

        Raises WrongAccount for that of another person, ForeignFolder for a folder outside of the fleet's,
        UnusableFile for a link, and what ``Archive.open`` raises.
        """
        folder = self.root / outcome.folder
        if not _is_plain(outcome.folder):
            raise ForeignFolder(
                f"{STATE_NAME} names a folder that is not in {self.root}: {outcome.folder!r}."
            )
        if not folder.exists():
            raise NoArchive(f"{folder} is missing. Put it back, or restore it from a backup.")
        require_folder(folder)
        archive = Archive.open(folder)
        try:
            require_owner(archive, outcome.user_id, self.base_url)
        except BaseException:
            archive.close()
            raise
        return archive


def _is_plain(name: str) -> bool:
    """Return whether this is the name of a folder, and no way to another one."""
    return Path(name).name == name and name not in ("", ".", "..")


def require_owner(archive: Archive, user_id: int, base_url: str | None) -> None:
    """Raise WrongAccount when an archive is that of another person or another Canvas."""
    account = archive.account
    if (account.base_url, account.owner_id) != (base_url, user_id):
        raise WrongAccount(
            f"{archive.folder} is the archive of user {account.owner_id} at {account.base_url}, not of user "
            f"{user_id} at {base_url}. Name another folder in the list."
        )


def _write_whole(path: Path, text: str) -> None:
    try:
        write_private(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror or error}.") from error


def in_order(
    custodians: Sequence[ListedCustodian],
    outcomes: Mapping[int, CustodianOutcome],
    now: datetime,
    skip_newer_than: timedelta | None = None,
) -> list[ListedCustodian]:
    """Return whom to sync, in which order: who never succeeded first, then the stalest. Pure."""

    def last(custodian: ListedCustodian) -> str:
        outcome = outcomes.get(custodian.user_id)
        return (outcome and outcome.succeeded_at) or ""

    def is_fresh(custodian: ListedCustodian) -> bool:
        outcome = outcomes.get(custodian.user_id)
        at = last(custodian)
        return bool(
            skip_newer_than and at and outcome and outcome.status == "ok"
            and now - parse_iso(at) < skip_newer_than
        )  # fmt: skip

    return sorted((one for one in custodians if not is_fresh(one)), key=last)
