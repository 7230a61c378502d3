"""Values of arguments that a shell can complete from the archive, beside what click reads them as."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings
from canvas_archive.cli.terminal import one_line
from canvas_archive.errors import ArchiveError
from canvas_archive.store.folders import FOLDERS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

MOST_OFFERED = 40

_NEWEST = """
SELECT id, coalesce(subject, '(no subject)') FROM conversations
WHERE CAST(id AS TEXT) LIKE ? || '%' ORDER BY latest_at DESC, id DESC LIMIT ?
"""
_PENDING = """
SELECT e.id, e.field || ': ' || e.value FROM edits e
WHERE e.state = 'pending' AND CAST(e.id AS TEXT) LIKE ? || '%' ORDER BY e.id LIMIT ?
"""
_SAVED = (
    "SELECT name, query FROM saved_searches WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name LIMIT ?2"
)


class _FromArchive:
    """What is offered comes from a query with two parameters: the text so far, and how many rows to read."""

    query = ""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer values; nothing where there is no archive that can be read."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(one_line(str(value)), help=one_line(str(description)))
            for value, description in _rows(ctx, self.query, incomplete)
        ]


def _rows(ctx: click.Context, query: str, incomplete: str) -> Sequence[tuple[object, object]]:
    import sqlite3

    from canvas_archive.store.connection import connect_readonly
    from canvas_archive.store.folder import DB_NAME

    settings = ctx.find_object(Settings) or Settings()
    try:
        with closing(connect_readonly(settings.folder / DB_NAME)) as db:
            return _fetch(db, query, incomplete)
    except (ArchiveError, OSError, sqlite3.Error):
        return ()


def _fetch(db: sqlite3.Connection, query: str, incomplete: str) -> list[tuple[object, object]]:
    return [tuple(row) for row in db.execute(query, (incomplete, MOST_OFFERED))]


class ConversationId(_FromArchive, click.IntRange):
    """The id of a conversation; the newest are offered, with their subjects."""

    query = _NEWEST

    def __init__(self) -> None:
        super().__init__(min=1)


class EditNumber(_FromArchive, click.IntRange):
    """The number of a pending edit."""

    query = _PENDING

    def __init__(self) -> None:
        super().__init__(min=1)


class SavedName(_FromArchive, click.types.StringParamType):
    """The name of a saved search."""

    query = _SAVED


class OneOf(click.types.StringParamType):
    """Any text for click; some words are offered. What else it may be is told by the command."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(words)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self._words if word.startswith(incomplete)]


CONVERSATION_ID = ConversationId()
EDIT_NUMBER = EditNumber()
SAVED_NAME = SavedName()
FOLDER = OneOf(FOLDERS)
