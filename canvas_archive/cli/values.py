"""Values of arguments that a shell can complete from the archive, beside what click reads them as."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import Settings, fail
from canvas_archive.cli.terminal import one_line
from canvas_archive.errors import ArchiveError
from canvas_archive.store.folders import ANYWHERE, FOLDERS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

MOST_OFFERED = 40
_LARGEST = 2**63 - 1

_PAGE = re.compile(
    r"(?:https?://(?P<host>[^/?#@]+))?"
    r"(?:(?P<ours>/mail(?:/archive/[^/?#]+)?/c/)|(?:/api/v1)?/conversations/)"
    r"(?P<id>[0-9]{1,19})(?:\.(?:txt|json|eml))?/?(?:[?#].*)?",
    re.IGNORECASE,
)
"""The address of a conversation's page: of ``serve``, or of Canvas."""

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
            for value, description in rows_for(ctx, self.query, incomplete)
        ]


def rows_for(ctx: click.Context, query: str, incomplete: str) -> Sequence[tuple[object, object]]:
    """Return what a query finds for a text that was begun; nothing where no archive can be read."""
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


class ConversationId(_FromArchive, click.ParamType):  # type: ignore[type-arg]
    """A conversation: its id with or without ``#``, ``latest``, or the address of its page here or on Canvas.

    The newest ids are offered, with their subjects.
    """

    name = "id"
    query = _NEWEST

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the id. Raises BadInput for the address of another Canvas."""
        text = str(value).strip().removeprefix("#")
        if text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST:
            return int(text)
        settings = (ctx.find_object(Settings) if ctx is not None else None) or Settings()
        if text.lower() in ("latest", "newest", "last"):
            return _latest(settings)
        page = _PAGE.fullmatch(text)
        if page is None or not 0 < int(page["id"]) <= _LARGEST:
            self.fail(
                f"'{value}' is not a conversation. Give its id ('canvas-archive list' shows the ids), "
                "'latest', or the address of its page.",
                param,
                ctx,
            )
        if page["host"] and not page["ours"]:
            _require_same_canvas(settings, page["host"])
        return int(page["id"])


def _latest(settings: Settings) -> int:
    """Return the conversation that ``list`` shows first: of the inbox, or of all folders."""
    from canvas_archive.store import Archive
    from canvas_archive.store.reading import list_conversations

    with Archive.open(settings.folder) as archive:
        first = (list_conversations(archive.db, folder, 1).lines for folder in ("inbox", ANYWHERE))
        newest = next((lines[0].id for lines in first if lines), None)
    if newest is None:
        fail("There is no conversation in this archive yet. To download them: canvas-archive sync")
    return newest


def _require_same_canvas(settings: Settings, host: str) -> None:
    from urllib.parse import urlsplit

    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        own = urlsplit(archive.account.base_url).netloc
    if host.lower() != own.lower():
        fail(f"That page is on {host}. This archive is of {own}. For another one: --archive DIR")


def known_conversation(db: sqlite3.Connection, number: int) -> int:
    """Return the conversation that a number names: its own id, or that of a message. Raises BadInput."""
    from canvas_archive.store.threads import conversation_of

    found = conversation_of(db, number)
    if found is None:
        fail(f"There is no conversation {number} in this archive. To see what there is: canvas-archive list")
    return found


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
FOLDER = OneOf((*FOLDERS, ANYWHERE))
