"""A read-only archive for programs: ``canvas_archive.open``.

Nothing here writes to an archive, asks Canvas, or makes an index. An archive that somebody else made is safe
to read: its views can call nothing, and its search index is not opened before ``canvas-archive adopt``.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from canvas_archive.search import SearchResult
    from canvas_archive.store.account import Account

Row = dict[str, Any]
"""A row: the values by column, in the order of the columns."""

_CONVERSATIONS = "SELECT * FROM threads ORDER BY latest_at DESC, id DESC"
_MESSAGES = """
SELECT id, conversation_id, author_id, created_at, body, generated, removed_at FROM messages
WHERE (:conversation IS NULL AND conversation_id IS NOT NULL) OR conversation_id = :conversation
ORDER BY conversation_id, created_at, id
"""


class ReadOnlyArchive:
    """An archive that is open for reading; made by ``canvas_archive.open``.

    Threads may share it: every method opens a connection of its own, and sees the archive as it is then.
    """

    def __init__(self, folder: Path | str | os.PathLike[str]) -> None:
        from canvas_archive.store import Archive

        with Archive.open(Path(folder), upgrade=False) as archive:
            self._folder = archive.folder
            self._db_path = archive.db_path
            self._search_dir = archive.search_dir
            self._account = archive.account

    @property
    def folder(self) -> Path:
        """Return the archive's folder."""
        return self._folder

    @property
    def account(self) -> Account:
        """Return whose mailbox it is: ``base_url``, ``user_id``, ``as_user_id``, ``name``, ``created_at``."""
        return self._account

    def sql(
        self,
        query: str,
        params: Mapping[str, object] | Sequence[object] = (),
        *,
        timeout: float | None = 60.0,
    ) -> Iterator[Row]:
        """Run one reading statement, and return its rows as they are read.

        It may call the functions of ``docs/schema.md``. ``timeout`` is in seconds; ``None`` means no limit.

        Raises BadInput for wrong SQL, a write or too long a time; IndexUnusable and IndexBehind for
        ``canvas_search``. Of two columns with one name, the last one counts.
        """
        from canvas_archive.search import query_archive

        result = query_archive(self._db_path, self._search_dir, query, params, timeout=timeout)
        return (dict(zip(result.columns, row, strict=True)) for row in result.rows)

    def search(self, query: str, *, limit: int = 20, offset: int = 0, threads: bool = False) -> SearchResult:
        """Return what a query of the search finds, best first. ``total`` counts all of it.

        Raises BadInput for a query that cannot be, UnknownName for an unknown name, IndexUnusable without an
        index. ``freshness.pending`` says how many messages are not in the index yet.
        """
        from canvas_archive.search import search

        return search(self._db_path, self._search_dir, query, limit=limit, offset=offset, threads=threads)

    def conversations(self) -> Iterator[Row]:
        """Return the rows of the view ``threads``, the conversation with the newest message first."""
        return self.sql(_CONVERSATIONS, timeout=None)

    def messages(self, conversation_id: int | None = None) -> Iterator[Row]:
        """Return the messages of a conversation, oldest first; without an id, of all conversations."""
        return self.sql(_MESSAGES, {"conversation": conversation_id}, timeout=None)

    def connect(self) -> sqlite3.Connection:
        """Return a new connection for pandas and other libraries that want one. The caller closes it.

        It can only read, and has SQLite's own functions alone.
        """
        from canvas_archive.store.sql_access import reading_connection

        return reading_connection(self._db_path)

    def close(self) -> None:
        """Do nothing: no connection is held. It is there for ``contextlib.closing``."""

    def __enter__(self) -> ReadOnlyArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open(folder: Path | str | os.PathLike[str]) -> ReadOnlyArchive:
    """Return the archive in a folder, for reading alone.

    Raises NoArchive, ForeignFolder, UnusableFile (a link, a FIFO), NewerArchive, and GuardRefused for an
    archive of an older version: reading does not upgrade it.
    """
    return ReadOnlyArchive(folder)
