"""What a sync decides, as pure functions over what Canvas listed and what the archive holds.

Nothing here reads a network, a database or a clock. The runner in ``pull.py`` performs the actions;
``--dry-run`` prints the same ones.

Canvas has no change feed. What can be known cheaply:

* the id lists of the five scopes show which conversations exist, and by membership whether each is
  unread, read, archived, starred (``membership``);
* a list row carries a fingerprint of the content: when it equals the stored one, nothing that ``show``
  returns has changed (``judge_row``);
* an id in no list may be removed: only a 404 from ``show`` confirms it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.store.summaries import fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from canvas_archive.model import Conversation
    from canvas_archive.store.summaries import StoredSummary

Reason: TypeAlias = Literal["retry", "new", "changed", "reappeared", "slipped", "asked", "unfinished"]

LISTED_SCOPES = ("inbox", "archived", "sent", "starred")
"""Their union is everything a person can see; ``unread`` is a part of ``inbox``."""

GUARD_MINIMUM = 5
"""The mass-removal guard never stops the removal of fewer conversations than this."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask ``show`` for a conversation and store the answer."""

    conversation_id: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class UpdateFlags:
    """Store what Canvas now says of the flags; ``None`` leaves one as it is."""

    conversation_id: int
    starred: bool | None = None
    workflow_state: str | None = None
    subscribed: bool | None = None


@dataclass(frozen=True, slots=True)
class ConfirmRemoval:
    """No list names this conversation any more: ask ``show``; only a 404 marks it removed."""

    conversation_id: int


Action: TypeAlias = "Fetch | UpdateFlags | ConfirmRemoval"


@dataclass(frozen=True, slots=True)
class Membership:
    """The ids each scope listed, in the order the lists were asked for; ``None``: it could not be read."""

    inbox: Collection[int] | None
    unread: Collection[int] | None
    archived: Collection[int] | None
    sent: Collection[int] | None
    starred: Collection[int] | None

    def everything(self) -> set[int]:
        """Return every id that any list named."""
        lists = (self.inbox, self.unread, self.archived, self.sent, self.starred)
        return {id_ for ids in lists for id_ in ids or ()}


def judge_row(row: Conversation, known: StoredSummary | None, stored: int | None) -> Action | None:
    """Decide what a list row calls for: a fetch, new flags, or nothing.

    ``stored`` is the fingerprint of what the archive holds of it.
    """
    if known is None:
        return Fetch(row.id, "new")
    if known.removed:
        return Fetch(row.id, "reappeared")
    if not known.fetched:
        return Fetch(row.id, "unfinished")
    if stored != fingerprint(row):
        return Fetch(row.id, "changed")
    return flags_of_row(row, known)


def flags_of_row(row: Conversation, known: StoredSummary | None) -> UpdateFlags | None:
    """Return what a list row says of the flags, if it differs from what the archive holds."""
    if known is None or known.removed:
        return None
    flags = UpdateFlags(
        row.id,
        starred=row.starred if row.starred != known.starred else None,
        workflow_state=row.workflow_state if row.workflow_state != known.workflow_state else None,
        subscribed=row.subscribed if row.subscribed != known.subscribed else None,
    )
    return None if flags == UpdateFlags(row.id) else flags


def flags_from_membership(
    known: Mapping[int, StoredSummary], members: Membership, *, skip: Collection[int] = ()
) -> Iterator[UpdateFlags]:
    """Derive starred and read/unread/archived for every known conversation from the id lists alone.

    A conversation that is only in ``sent`` (or only ``starred``) may have any state: its state is left
    alone until a row or a show has it. Where two lists disagree, because something moved between two
    requests, the list that was asked for later is right: archived over unread over inbox. A list that could
    not be read says nothing about anybody.
    """
    inbox, unread = frozenset(members.inbox or ()), frozenset(members.unread or ())
    archived, starred = frozenset(members.archived or ()), frozenset(members.starred or ())
    sent = frozenset(members.sent or ())
    for id_, summary in known.items():
        if summary.removed or id_ in skip:
            continue
        state: str | None = None
        if id_ in archived:
            state = "archived"
        elif id_ in unread:
            state = "unread"
        elif id_ in inbox and members.unread is not None:
            state = "read"
        elif id_ not in sent and id_ not in starred:
            continue  # in no list at all: a matter for ConfirmRemoval
        star = id_ in starred if members.starred is not None else summary.starred
        moved = state is not None and state != summary.workflow_state
        if moved or star != summary.starred:
            yield UpdateFlags(
                id_,
                starred=star if star != summary.starred else None,
                workflow_state=state if moved else None,
            )


def fetches_from_ids(listed: Collection[int], known: Mapping[int, StoredSummary]) -> Iterator[Fetch]:
    """Yield the ids that the lists know and the archive does not (or thinks removed, or never finished)."""
    for id_ in sorted(listed):
        summary = known.get(id_)
        if summary is None:
            yield Fetch(id_, "new")
        elif summary.removed:
            yield Fetch(id_, "reappeared")
        elif not summary.fetched:
            yield Fetch(id_, "unfinished")


def slipped(order: Sequence[int], depth: int | None, seen: Collection[int]) -> list[int]:
    """Return the ids among the first ``depth`` of a list read last whose rows no page had shown.

    Rows move while a list is being paged: one archived above pulls the next page's first row onto a page
    already read. ``depth`` ``None`` means the whole list was paged.
    """
    window = order if depth is None else order[:depth]
    return [id_ for id_ in window if id_ not in seen]


def removal_candidates(known: Mapping[int, StoredSummary], listed: Collection[int]) -> list[int]:
    """Return the conversations that the archive has as present and no list has."""
    return sorted(
        id_ for id_, summary in known.items() if not summary.removed and summary.fetched and id_ not in listed
    )


def is_mass_removal(candidates: int, present: int) -> bool:
    """Return whether that many missing out of ``present`` stored conversations needs a person's decision."""
    return candidates >= GUARD_MINIMUM and candidates * 2 > present
