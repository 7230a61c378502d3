"""The archive's folder: how it is made, recognised, opened and guarded.

    archive.db      SQLite, the source of truth
    config.toml     host, user, options
    lock            held by the one writer
    identity.key    what tells this archive from one that was made to look like it (see ``adoption``)
    files/ search/  attachment bytes; the search index
    signatures/     signed heads of the chain, where anybody signed one
    drafts/         messages begun in the pages (see ``drafts``)

A folder becomes an archive in one step, when its database gets its name: before that, a crash leaves
nothing that any command takes for an archive, and ``create`` may simply be run again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import (
    ArchiveError,
    ArchiveLocked,
    BadInput,
    ForeignFolder,
    GuardRefused,
    NoArchive,
)
from canvas_archive.places import expanded
from canvas_archive.store import adoption, migrations, upgrade
from canvas_archive.store.account import Account, read_account
from canvas_archive.store.config import CONFIG_NAME, Config, Grant, powers, read_config, write_config
from canvas_archive.store.connection import (
    connect_readonly,
    connect_writable,
    require_sqlite,
    schema_version,
    transaction,
)
from canvas_archive.store.drafts import DRAFTS_NAME
from canvas_archive.store.lock import LOCK_NAME, WriterLock
from canvas_archive.store.private import PARTIAL, is_regular, require_folder, require_regular, sync_folder
from canvas_archive.store.schema import APPLICATION_ID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

DB_NAME = "archive.db"
FILES_NAME = "files"
SEARCH_NAME = "search"
SIGNATURES_NAME = "signatures"
UNFINISHED_NAME = "archive.db.unfinished"
FILE_NAMES = (DB_NAME, CONFIG_NAME, LOCK_NAME, adoption.IDENTITY_NAME)
FOLDER_NAMES = (FILES_NAME, SEARCH_NAME, SIGNATURES_NAME, DRAFTS_NAME)


class Archive:
    """An open archive; made by ``create`` or ``open``, closed by ``close`` or as a context manager.

    ``db`` has ``sqlite3.Row`` rows; it is read-only unless the archive was opened for writing. ``config``
    are the options that count: those of ``config_as_written`` that grant something need this user's consent.
    """

    def __init__(
        self, folder: Path, db: sqlite3.Connection, config: Config, account: Account, resources: ExitStack
    ) -> None:
        self.folder = folder
        self.db = db
        self.db_path = folder / DB_NAME
        self.files_dir = folder / FILES_NAME
        self.search_dir = folder / SEARCH_NAME
        self.config = adoption.agreed_config(db, config)
        self.config_as_written = config
        self.account = account
        self._resources = resources

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        base_url: str,
        user_id: int,
        name: str | None,
        as_user_id: int | None = None,
        remembered: bool = True,
        clock: Clock = SYSTEM,
    ) -> Archive:
        """Make a new archive in an empty or missing folder, and return it open for writing.

        It is this user's own from then on, unless it is not to be ``remembered``.

        Raises BadInput when ``folder`` is a file, GuardRefused when it is an archive already,
        ForeignFolder when it holds anything else.
        """
        require_sqlite()
        path = _absolute(folder)
        require_free_folder(path)
        _private_folder(path)
        with ExitStack() as resources:
            resources.enter_context(WriterLock(path, clock=clock))
            require_free_folder(path)  # again, now that nobody else can be creating one
            _private_folder(path / FILES_NAME)
            _private_folder(path / SEARCH_NAME)
            config = Config(base_url=base_url, as_user_id=as_user_id)
            write_config(path / CONFIG_NAME, config)
            account = Account(base_url, user_id, name, as_user_id, iso(clock.now()))
            if remembered:
                adoption.remember(path, (base_url, user_id, as_user_id, account.created_at))
            _build_database(path, account, clock)
            return cls._connected(path, config, resources)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        write: bool = False,
        adopting: bool = False,
        upgrade: bool = True,
        clock: Clock = SYSTEM,
    ) -> Archive:
        """Open an existing archive; ``write`` takes the writer's lock.

        An archive of an older version is upgraded first, after its database was copied. ``adopting`` allows
        writing to one that is not known to be this user's. Without ``upgrade``, an older one is refused.

        Raises NoArchive, BadInput (a file), ForeignFolder, UnusableFile (a link, a FIFO), ForeignSchema,
        NotAdopted, NewerArchive, ArchiveLocked, GuardRefused.
        """
        require_sqlite()
        path = _absolute(folder)
        _refuse_missing(path)
        with ExitStack() as resources:
            if write:
                _refuse_untrusted(path, adopting=adopting)
                resources.enter_context(WriterLock(path, clock=clock))
            if _is_outdated(path):
                if not upgrade:
                    raise GuardRefused(
                        f"The archive in {path} was made by an older version. Upgrade it with "
                        "'canvas-archive status', then open it again."
                    )
                _upgrade(path, locked=write, adopting=adopting, clock=clock)
            config = read_config(path / CONFIG_NAME)
            archive = cls._connected(path, config, resources, write=write)
            if write:
                adoption.renew(archive.db, path, config)
            return archive

    @classmethod
    def _connected(cls, path: Path, config: Config, resources: ExitStack, *, write: bool = True) -> Archive:
        db_path = path / DB_NAME
        db = resources.enter_context(
            closing(connect_writable(db_path) if write else connect_readonly(db_path))
        )
        return cls(path, db, config, read_account(db), resources.pop_all())

    @property
    def adopted(self) -> bool:
        """Return whether this user made or adopted the archive (see ``adoption``)."""
        return adoption.is_adopted(self.db)

    def require_adopted(self) -> None:
        """Raise NotAdopted for somebody else's archive."""
        adoption.require_adopted(self.db, self.folder)

    def require_agreed(self, name: str) -> None:
        """Raise NotAdopted when ``config.toml`` grants something by this option that is not agreed to."""
        adoption.require_agreed(self.db, self.config_as_written, name, self.folder)

    def adopt(self, agreed: Iterable[Grant] = ()) -> None:
        """Remember the archive as this user's own, and what its settings grant as agreed to."""
        self._remember(self.account, agreed)
        self.config = adoption.agreed_config(self.db, self.config_as_written)

    def remember_as(self, account: Account) -> None:
        """Remember the archive as this user's own under the account it is about to get.

        What its settings grant stays agreed to, as far as it is.
        """
        self._remember(account, powers(self.config))

    def _remember(self, account: Account, agreed: Iterable[Grant]) -> None:
        who = (account.base_url, account.user_id, account.as_user_id, account.created_at)
        adoption.remember(self.folder, who, agreed)

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._resources.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_archive(folder: Path | str) -> bool:
    """Return whether a folder holds a finished archive's database, without opening it."""
    return os.path.lexists(_absolute(folder) / DB_NAME)


def _absolute(folder: Path | str) -> Path:
    return expanded(folder).absolute()


def _private_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise BadInput(
            f"The folder {path} cannot be made private to you: {error.strerror or error}."
        ) from error


def require_free_folder(folder: Path | str) -> None:
    """Make sure that an archive can be created in a folder; ``create`` itself checks it again.

    Raises BadInput when it is a file, GuardRefused when it is an archive, ForeignFolder when it holds
    anything else.
    """
    path = _absolute(folder)
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file; an archive is a folder. Name another one.")
    if not path.exists():
        return
    require_usable(path)
    if (path / DB_NAME).exists():
        with closing(connect_readonly(path / DB_NAME)) as db:
            account = read_account(db)
        owner = account.name or f"user {account.owner_id}"
        raise GuardRefused(
            f"{path} is already an archive of {owner} at {account.base_url}. For another one, name another "
            "folder with --archive. To sign in again, run: canvas-archive login"
        )
    if not _is_leftover(path):
        raise ForeignFolder(f"{path} is not empty and not an archive. Name an empty or a new folder.")


def _is_leftover(path: Path) -> bool:
    """Return whether a folder is empty but for what an interrupted ``create`` leaves behind."""
    names = {entry.name for entry in path.iterdir()}
    ours = {*FILE_NAMES, *FOLDER_NAMES} - {DB_NAME}
    ours |= {f"{name}{PARTIAL}" for name in (CONFIG_NAME, adoption.IDENTITY_NAME)}
    ours |= {UNFINISHED_NAME + suffix for suffix in ("", "-journal", "-wal", "-shm")}
    if not names:
        return True
    if not names <= ours or LOCK_NAME not in names:
        return False
    if not all(is_regular(path / name) for name in names.difference(FOLDER_NAMES)):
        return False
    if any((path / name).is_dir() and any((path / name).iterdir()) for name in FOLDER_NAMES):
        return False
    if CONFIG_NAME in names:
        try:
            read_config(path / CONFIG_NAME)
        except BadInput:
            return False
    return True


def _build_database(path: Path, account: Account, clock: Clock) -> None:
    """Make the database under another name and rename it when everything in it is on the disk."""
    unfinished = path / UNFINISHED_NAME
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            unfinished.with_name(unfinished.name + suffix).unlink()
    # SQLite gives its -wal and -shm files the mode of the database.
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    upgrade.apply_pending(unfinished)
    from canvas_archive.store.ingest import Ingest

    with closing(connect_writable(unfinished, synchronous="FULL")) as db:
        with transaction(db):
            Ingest(db, clock).save_account(asdict(account))
        # Without this the rows could sit in a -wal file that does not follow the rename.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    unfinished.replace(path / DB_NAME)
    sync_folder(path)


def require_usable(path: Path) -> None:
    """Raise UnusableFile when a link, a FIFO or a device is where a file or folder of an archive belongs."""
    for names, require in ((FILE_NAMES, require_regular), (FOLDER_NAMES, require_folder)):
        for name in names:
            with suppress(FileNotFoundError):
                require(path / name)


def _refuse_missing(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file; an archive is a folder.")
    require_usable(path)
    if not (path / DB_NAME).exists():
        raise NoArchive(
            f"There is no archive in {path}. Make one with 'canvas-archive init URL', or name another folder "
            "with --archive."
        )


def _refuse_untrusted(path: Path, *, adopting: bool = False) -> None:
    """Refuse to write into somebody else's folder, to no archive at all, or to one that is not adopted."""
    if os.name == "posix":  # pragma: no branch - Windows tells no owner that could be compared
        me, owner = os.geteuid(), path.stat().st_uid
        if me not in (0, owner):
            raise ForeignFolder(
                f"{path} belongs to another user of this machine: it can be read, but is not written to."
            )
    with closing(connect_readonly(path / DB_NAME)) as db:
        read_account(db)
        if not adopting:
            adoption.require_adopted(db, path)


def _is_outdated(path: Path) -> bool:
    with closing(connect_readonly(path / DB_NAME)) as db:
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ForeignFolder(f"{path / DB_NAME} is a database, but not one of canvas-archive.")
        upgrade.refuse_newer(db, path)
        return schema_version(db) < migrations.known_version()


def _upgrade(path: Path, *, locked: bool, adopting: bool, clock: Clock) -> None:
    with ExitStack() as stack:
        if not locked:
            _refuse_untrusted(path, adopting=adopting)
            try:
                stack.enter_context(WriterLock(path, clock=clock))
            except ArchiveLocked as error:
                raise ArchiveLocked(
                    f"The archive must be upgraded before it can be read, but: {error}"
                ) from error
            if not _is_outdated(path):
                return  # somebody else did it in between
        import logging  # here: every command would pay for it, and hardly any upgrades

        logger = logging.getLogger("canvas_archive.store")
        copy = upgrade.copy_before_migration(path / DB_NAME)
        try:
            upgrade.apply_pending(path / DB_NAME)
            logger.warning("The archive in %s was upgraded. As it was, it lies there in %s.", path, copy.name)
        except sqlite3.Error as error:
            raise ArchiveError(
                f"Upgrading the archive in {path} failed ({error}). It is as it was; a copy lies beside it."
            ) from error
