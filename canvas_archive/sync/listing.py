"""Reading the lists: pages arrive one by one, and what they mean together is known at the end.

Runs in one worker thread, so that fetching can begin with the first page. Pages and their ids are handed
over on the results queue; the decisions are made by ``plan.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.store.summaries import stored_fingerprints
from canvas_archive.sync.plan import LISTED_SCOPES, Fetch, Membership, judge_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

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


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of one scope."""

    scope: Scope
    content: ConversationPage


@dataclass(slots=True)
class Listed:
    """What the lists have told so far: ids by scope, rows seen by scope, and how deep each was read."""

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
        """Return the id lists; a full sync does not ask for ``unread``, its rows tell."""
        return Membership(
            inbox=self.ids.get("inbox"),
            unread=self.ids.get("unread"),
            archived=self.ids.get("archived"),
            sent=self.ids.get("sent"),
            starred=self.ids.get("starred"),
        )

    def recheck_scopes(self) -> list[Scope]:
        """Name the scopes whose ids are to be read once more, because rows may have slipped."""
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


def read_ids(client: CanvasClient, scope: Scope) -> ConversationPage:
    """Read a scope's id list once more, with the top of its rows.

    :calls: GET /api/v1/conversations
    """
    return next(client.conversations(scope, per_page=PAGE, with_all_ids=True))
