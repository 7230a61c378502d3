"""Reading the lists: pages arrive one by one, and together they show what Canvas has.

One thread reads them, so that fetching can begin with the first page. ``plan.py`` makes the decisions.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.store.connection import connect_readonly
from canvas_archive.store.summaries import stored_fingerprints
from canvas_archive.sync.plan import LISTED_SCOPES, Fetch, Membership, judge_row
from canvas_archive.sync.workers import Stopped

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from canvas_archive.canvas import CanvasClient, ConversationPage
    from canvas_archive.canvas.client import Scope
    from canvas_archive.store.summaries import StoredSummary
    from canvas_archive.sync.ledger import Ledger

Mode: TypeAlias = Literal["full", "quick"]

PAGE = 100
QUICK_SCOPES: tuple[tuple[Scope, int], ...] = (
    ("inbox", PAGE),
    ("unread", 1),
    ("archived", 1),
    ("sent", PAGE),
    ("starred", 1),
)
FULL_SCOPES: tuple[tuple[Scope, int], ...] = (
    ("inbox", PAGE),
    ("archived", PAGE),
    ("sent", PAGE),
    ("starred", PAGE),
)

_CUT_SHORT = """
SELECT coalesce((SELECT complete = 0 AND status NOT IN ('ok', 'partial')
                 FROM sync_runs WHERE id < ? ORDER BY id DESC LIMIT 1), 0)
"""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of one scope."""

    scope: Scope
    content: ConversationPage


@dataclass(slots=True)
class Listed:
    """What the lists have shown so far: ids by scope, rows seen by scope, and how many pages were read."""

    mode: Mode
    ids: dict[Scope, tuple[int, ...]] = field(default_factory=dict)
    seen: dict[Scope, set[int]] = field(default_factory=dict)
    pages: dict[Scope, int] = field(default_factory=dict)
    failed: set[Scope] = field(default_factory=set)

    def add(self, page: ListPage) -> None:
        """Take in one page."""
        seen = self.seen.setdefault(page.scope, set())
        seen.update(row.id for row in page.content.conversations)
        seen.update(bad.id for bad in page.content.malformed if bad.id is not None)
        self.pages[page.scope] = self.pages.get(page.scope, 0) + 1
        if page.content.all_ids is not None:
            self.ids[page.scope] = page.content.all_ids

    @property
    def complete(self) -> bool:
        """Return whether every list of the mode was read as far as it had to be."""
        return not self.failed and self.names_everything and (self.mode == "full" or "unread" in self.ids)

    @property
    def names_everything(self) -> bool:
        """Return whether the ids of every list are known, so that absence means something."""
        return all(scope in self.ids for scope in LISTED_SCOPES)

    def membership(self) -> Membership:
        """Return the id lists. A full sync does not ask for ``unread``: its rows have the state."""
        return Membership(
            inbox=self.ids.get("inbox"),
            unread=self.ids.get("unread"),
            archived=self.ids.get("archived"),
            sent=self.ids.get("sent"),
            starred=self.ids.get("starred"),
        )

    def recheck_scopes(self) -> list[Scope]:
        """Return the scopes whose ids are read again, because rows may have moved between pages."""
        return [
            scope
            for scope, count in self.pages.items()
            if scope not in self.failed and (self.mode == "full" or count > 1)
        ]


def pages_of(client: CanvasClient, scope: Scope, per_page: int) -> Iterator[ListPage]:
    """Yield the pages of one scope as they are read, the id list with the first.

    :calls: GET /api/v1/conversations
    """
    for content in client.conversations(scope, per_page=per_page, with_all_ids=True):
        yield ListPage(scope, content)


def fingerprints_of(content: ConversationPage, db: sqlite3.Connection) -> dict[int, int]:
    """Return the fingerprints of what the archive holds of the conversations on a page."""
    return stored_fingerprints(db, (row.id for row in content.conversations))


def holds_nothing_new(
    content: ConversationPage,
    known: Mapping[int, StoredSummary],
    stored: Mapping[int, int],
    ledger: Ledger,
) -> bool:
    """Return whether no row of a page calls for a fetch: where a quick sync stops paging.

    ``stored`` are the fingerprints of what the archive holds.
    """
    if any(bad.id is None or not ledger.rests(bad.id) for bad in content.malformed):
        return False
    return not any(
        isinstance(judge_row(row, known.get(row.id), stored.get(row.id)), Fetch)
        and not ledger.rests_unchanged(row)
        for row in content.conversations
    )


def was_cut_short(db: sqlite3.Connection, run_id: int) -> bool:
    """Return whether the run before this one ended before its lists were read."""
    return bool(db.execute(_CUT_SHORT, (run_id,)).fetchone()[0])


@dataclass(slots=True)
class ListReader:
    """Reads lists as far as they may hold something new; used by the thread that lists.

    ``to_the_end``: the last run was cut short. It may have stored the top of a list and not what is below,
    so a page with nothing new does not end the list. ``wanted`` are the conversations that are being fetched.
    """

    client: CanvasClient
    db_path: Path
    mode: Mode
    ledger: Ledger
    known: Mapping[int, StoredSummary]
    wanted: Collection[int]
    to_the_end: bool
    pass_on: Callable[[ListPage], None]
    stop: threading.Event
    left_unread: bool = False
    """Whether a list was not read to its end, although it had to be: a page of it rests."""

    def read(self, scope: Scope, per_page: int) -> bool:
        """Pass on page after page. Return whether the last one was read."""
        failed_before = self.ledger.knows_list(scope)
        to_the_end = self.mode == "full"
        if per_page > 1 and not to_the_end and (self.to_the_end or failed_before):
            # Below a page that rests may be changes: until it is read, no run is complete.
            to_the_end = not self.ledger.rests_list(scope)
            self.left_unread = self.left_unread or not to_the_end
        with self.client.one_try() if failed_before else nullcontext():
            for page in pages_of(self.client, scope, per_page):
                self.pass_on(page)
                if self.stop.is_set():
                    raise Stopped
                if not to_the_end and (per_page == 1 or self.holds_nothing_new(page.content)):
                    return False
        return True

    def holds_nothing_new(self, content: ConversationPage) -> bool:
        """Return whether no row of a page calls for a fetch. Reads over a connection of its own."""
        with closing(connect_readonly(self.db_path)) as db:
            stored = fingerprints_of(content, db)
        # A conversation that is being fetched was new when its row was judged. It may be stored by now, so
        # this is checked after reading, not before.
        if any(row.id in self.wanted for row in content.conversations):
            return False
        return holds_nothing_new(content, self.known, stored, self.ledger)


def read_ids(client: CanvasClient, scope: Scope) -> ConversationPage:
    """Read a scope's id list once more, with the top of its rows.

    :calls: GET /api/v1/conversations
    """
    return next(client.conversations(scope, per_page=PAGE, with_all_ids=True))
